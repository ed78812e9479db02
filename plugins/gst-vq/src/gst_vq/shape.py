"""The shape of an encoder and its decoder, worked out from a tokenizer's options."""

from __future__ import annotations

from dataclasses import dataclass

from gst.errors import OptionError, Problem
from gst_vq.blocks import Norm
from gst_vq.strides import split_factor


@dataclass(frozen=True)
class Shape:
    """Levels from fine to coarse.

    Args:
        grid: (h, w) of the codes.
        widths: channels of each level.
        strides: (rows, columns) between one level and the next; one fewer than widths.
        blocks: residual blocks of each level.
        stem: side of the square of pixels that is folded into channels before the first convolution.
        attention: self-attention at the coarsest level.
        norm: the blocks' normalisation.
    """

    grid: tuple[int, int]
    widths: tuple[int, ...]
    strides: tuple[tuple[int, int], ...]
    blocks: tuple[int, ...]
    stem: int
    attention: bool
    norm: Norm


def make_shape(
    *,
    frame_size: tuple[int, int],
    downsample: int | tuple[int, int],
    widths: tuple[int, ...],
    blocks: int | tuple[int, ...],
    stem_stride: int,
    attention: bool,
    norm: Norm,
) -> Shape:
    """The shape for these options (see `VQVAE`). Raises `OptionError` with what cannot be."""
    factors = (downsample, downsample) if isinstance(downsample, int) else downsample
    counts = (blocks,) * len(widths) if isinstance(blocks, int) else blocks
    problems = []
    if min(factors) < 1 or any(side % max(factor, 1) for side, factor in zip(frame_size, factors, strict=True)):
        sizes = f"{frame_size[0]} x {frame_size[1]}"
        problems.append(Problem("downsample", f"{factors[0]} x {factors[1]} does not divide frames of {sizes} pixels"))
    if stem_stride < 1 or any(factor % stem_stride for factor in factors):
        problems.append(Problem("stem_stride", f"{stem_stride} does not divide downsample {factors[0]} x {factors[1]}"))
    if not widths or min(widths) < 1:
        problems.append(Problem("widths", "needs one positive number a level, and one level at least"))
    elif len(widths) == 1 and factors != (stem_stride, stem_stride):
        what = f"stem_stride {stem_stride} to downsample {factors[0]} x {factors[1]}"
        problems.append(Problem("widths", f"one level alone cannot go from {what}"))
    if len(counts) != len(widths) or min(counts, default=1) < 0:
        problems.append(Problem("blocks", f"needs one number a level, and widths has {len(widths)} levels"))
    if problems:
        raise OptionError(problems)
    rows, columns = (split_factor(factor // stem_stride, len(widths) - 1) for factor in factors)
    return Shape(
        grid=(frame_size[0] // factors[0], frame_size[1] // factors[1]),
        widths=widths,
        strides=tuple(zip(rows, columns, strict=True)),
        blocks=counts,
        stem=stem_stride,
        attention=attention,
        norm=norm,
    )
