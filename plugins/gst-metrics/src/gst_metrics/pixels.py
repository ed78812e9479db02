"""Drawn and real frames, pixel by pixel."""

from __future__ import annotations

from torch import Tensor

from gst.batch import StoryBatch
from gst.errors import DataError


def paired_pixels(batch: StoryBatch, frames: Tensor) -> tuple[Tensor, Tensor]:
    """Drawn and real frames (B, T, 3, H, W) on the scale of 8-bit pixels, [0, 255], in float64."""
    if batch.frames is None:
        raise DataError("this metric compares with real frames; this data has none")
    return tuple((x.double() + 1) * 127.5 for x in (frames, batch.frames))  # type: ignore[return-value]
