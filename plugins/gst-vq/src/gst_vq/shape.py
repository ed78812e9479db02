"""The shape of an encoder and its decoder, worked out from a tokenizer's options."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from gst.errors import OptionError, Problem
from gst_vq.blocks import Norm, ResBlock, SpatialAttention
from gst_vq.strides import split_factor


@dataclass(frozen=True)
class Shape:
    """Levels from fine to coarse.

    Args:
        grid: (h, w) of the codes.
        widths: channels of each level.
        strides: (rows, columns) between one level and the next; one fewer than widths.
        blocks, decoder_blocks: residual blocks of each level.
        middle: two more at the coarsest level.
        stem: side of the square of pixels that is folded into channels before the first convolution.
        attention: self-attention after every block of the coarsest level, and between the two in the middle.
        norm: the blocks' normalisation.
    """

    grid: tuple[int, int]
    widths: tuple[int, ...]
    strides: tuple[tuple[int, int], ...]
    blocks: tuple[int, ...]
    decoder_blocks: tuple[int, ...]
    middle: bool
    stem: int
    attention: bool
    norm: Norm


def make_shape(
    *,
    frame_size: tuple[int, int],
    downsample: int | tuple[int, int],
    widths: tuple[int, ...],
    blocks: int | tuple[int, ...],
    decoder_blocks: int | tuple[int, ...],
    middle: bool,
    stem_stride: int,
    attention: bool,
    norm: Norm,
) -> Shape:
    """The shape for these options (see `VQVAE`). Raises `OptionError` with what cannot be."""
    factors = (downsample, downsample) if isinstance(downsample, int) else downsample
    counts = {
        name: (value,) * len(widths) if isinstance(value, int) else value
        for name, value in (("blocks", blocks), ("decoder_blocks", decoder_blocks))
    }
    problems = []
    if any(side % factor for side, factor in zip(frame_size, factors, strict=True)):
        sizes = f"{frame_size[0]} x {frame_size[1]}"
        problems.append(Problem("downsample", f"{factors[0]} x {factors[1]} does not divide frames of {sizes} pixels"))
    if any(factor % stem_stride for factor in factors):
        problems.append(Problem("stem_stride", f"{stem_stride} does not divide downsample {factors[0]} x {factors[1]}"))
    if not widths:
        problems.append(Problem("widths", "needs one level at least"))
    elif len(widths) == 1 and factors != (stem_stride, stem_stride):
        what = f"stem_stride {stem_stride} to downsample {factors[0]} x {factors[1]}"
        problems.append(Problem("widths", f"one level alone cannot go from {what}"))
    for name, count in counts.items():
        if len(count) != len(widths):
            problems.append(Problem(name, f"needs one number a level, and widths has {len(widths)} levels"))
    if problems:
        raise OptionError(problems)
    rows, columns = (split_factor(factor // stem_stride, len(widths) - 1) for factor in factors)
    return Shape(
        grid=(frame_size[0] // factors[0], frame_size[1] // factors[1]),
        widths=widths,
        strides=tuple(zip(rows, columns, strict=True)),
        **counts,
        middle=middle,
        stem=stem_stride,
        attention=attention,
        norm=norm,
    )


def level_blocks(shape: Shape, level: int, count: int) -> list[nn.Module]:
    """The `count` residual blocks of a level, each with attention after it at the coarsest level."""
    layers: list[nn.Module] = []
    for _ in range(count):
        layers.append(ResBlock(shape.widths[level], shape.norm))
        if shape.attention and level == len(shape.widths) - 1:
            layers.append(SpatialAttention(shape.widths[level], shape.norm))
    return layers


def middle_blocks(shape: Shape) -> list[nn.Module]:
    """The two blocks at the bottom, with attention between them, or nothing."""
    if not shape.middle:
        return []
    width, norm = shape.widths[-1], shape.norm
    attention = [SpatialAttention(width, norm)] if shape.attention else []
    return [ResBlock(width, norm), *attention, ResBlock(width, norm)]
