"""Continuing and editing stories: which parts stay as they are, on the token grid and in pixels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gst.errors import DataError
from gst.latents import Latents
from gst.pictures import Frames

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels, from the upper left corner; x1 and y1 are the first column and row outside."""
Region = Box | NDArray[np.bool_]
"""A box, or bool (H, W)."""

SEES_NO_FRAMES = "this model draws every frame from the captions alone"


@dataclass(frozen=True)
class Kept:
    """Parts of B stories that are there already and stay as they are: pixels to the bit, and the tokens they have.

    Args:
        frames: uint8 (B, T, 3, H, W); what is not kept is not shown, but a tokenizer sees it beside what is kept.
        pixels: bool (B, T, H, W), which are kept: those of whole tokens, on every grid that draws the rest.
    """

    frames: Tensor
    pixels: Tensor

    def tokens(self, grid: tuple[int, int]) -> Tensor:
        """bool (B, T, h, w), the places of a latent grid all of whose pixels are kept."""
        return _cells(self.pixels, grid).all(-1).all(-2)

    def over(self, drawn: Tensor) -> Tensor:
        """`drawn`, uint8 (B, T, 3, H, W), with the kept pixels as they are in `frames`."""
        return torch.where(self.pixels[:, :, None], self.frames, drawn)

    def drawn_box(self, frame: int) -> Box:
        """The box around what is not kept of a frame of the first story."""
        rows, columns = (~self.pixels[0, frame]).nonzero(as_tuple=True)
        return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def keep_first(frames: Tensor, count: int) -> Kept:
    """Keep the first `count` frames of each story; the others of `frames`, uint8 (B, T, 3, H, W), are not read."""
    first = (torch.arange(frames.shape[1]) < count)[:, None, None, None]
    return Kept(frames * first, first[:, 0].expand(len(frames), -1, *frames.shape[-2:]))


def keep_outside(frames: Tensor, frame: int, region: Region | None, grids: Iterable[tuple[int, int]]) -> Kept:
    """Keep all of one story but a frame, or but a region of it.

    Args:
        frames: uint8 (T, 3, H, W).
        frame: which one is drawn again, from 0.
        region: what of it; it grows to whole tokens. None: all.
        grids: (h, w) of each latent grid that draws it.

    Raises:
        DataError: the region is empty, lies outside the frame, or has another size than the frame.
    """
    height, width = frames.shape[-2:]
    again = torch.ones(height, width, dtype=torch.bool)
    if region is not None:
        again = torch.from_numpy(region_pixels(region, (height, width)))
    for grid in grids:
        cells = _cells(again, grid)
        again = cells.any(-1, keepdim=True).any(-3, keepdim=True).expand_as(cells).reshape(height, width)
    pixels = torch.ones(1, len(frames), height, width, dtype=torch.bool)
    pixels[0, frame] = ~again
    return Kept(frames[None], pixels)


def region_pixels(region: Region, size: tuple[int, int]) -> NDArray[np.bool_]:
    """A region of a frame as bool (H, W). Raises `DataError` where it is empty, or no part of such a frame."""
    height, width = size
    if isinstance(region, np.ndarray):
        if region.shape != size or region.dtype != np.bool_:
            raise DataError(
                f"the mask is {region.dtype} of shape {region.shape}, the frame has {height} rows of {width} pixels",
                hint=f"A mask is a bool array of shape ({height}, {width}), True where the frame is drawn again.",
            )
        if not region.any():
            raise DataError("the mask is empty: nothing of the frame would be drawn again")
        return region
    x0, y0, x1, y1 = region
    if not (0 <= x0 <= x1 <= width and 0 <= y0 <= y1 <= height):
        raise DataError(
            f"the region {x0},{y0},{x1},{y1} is not inside a frame of {width}x{height} pixels",
            hint="Give x0,y0,x1,y1 from the upper left corner; x1 and y1 are the first column and row outside.",
        )
    if x0 == x1 or y0 == y1:
        raise DataError(f"the region {x0},{y0},{x1},{y1} is empty: x1 and y1 are the first column and row outside")
    pixels = np.zeros(size, np.bool_)
    pixels[y0:y1, x0:x1] = True
    return pixels


def given_frames(given: Sequence[Frames] | Frames, captions: int, size: tuple[int, int]) -> Tensor:
    """The first frames of a story of so many captions, checked: uint8 (k, 3, H, W).

    Raises:
        DataError: they are not frames of this size, or none is left to be drawn.
    """
    if len(given) >= captions:
        raise DataError(
            f"{len(given)} frames are given for {captions} captions: nothing is left to be drawn",
            hint="Write a caption for every frame, the given ones too, or give fewer frames.",
        )
    for number, frame in enumerate(given, 1):
        if frame.shape != (3, *size) or frame.dtype != np.uint8:
            raise DataError(
                f"given frame {number} is {frame.dtype} of shape {frame.shape}, this model's frames are uint8 of "
                f"shape {(3, *size)}",
                hint="gst.given.read_frames(paths, size) reads pictures and brings them to that size.",
            )
    return torch.from_numpy(np.stack(list(given)) if len(given) else np.zeros((0, 3, *size), np.uint8))


def at(latents: Latents, where: Tensor) -> Tensor:
    """The latents at the places of bool (B, T, h, w): (n,) ids or (n, c) features."""
    return (latents.data if latents.spec.kind == "ids" else latents.data.movedim(2, -1))[where]


def _cells(pixels: Tensor, grid: tuple[int, int]) -> Tensor:
    """(..., H, W) -> (..., h, H / h, w, W / w): the pixels of every token."""
    (height, width), (h, w) = pixels.shape[-2:], grid
    if height % h or width % w:
        raise DataError(f"{h}x{w} tokens do not divide frames of {height}x{width} pixels: no part can be kept")
    return pixels.reshape(*pixels.shape[:-2], h, height // h, w, width // w)
