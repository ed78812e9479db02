"""PSNR against the real frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gst.batch import StoryBatch
from gst_metrics.pixels import paired_pixels
from gst_metrics.selection import label, some_pixels
from gst_metrics.sums import SumMetric

_BEST = 100.0


class PSNR(SumMetric):
    """Peak signal-to-noise ratio, 10 log10(255^2 / MSE) in dB over pixels and channels of a frame, mean over frames.

    A frame that is equal to the real one counts as 100 dB, as does any that is nearer.

    Args:
        pixels: count some pixels only: those of a mask (T, H, W) that the data set tells, as "mask" or "not mask".
            Frames without any are left out.
    """

    def __init__(self, *, pixels: str | None = None) -> None:
        super().__init__()
        self.pixels, self.name = pixels, label("psnr", pixels)
        self.directions = {self.name: "up"}

    def sums(self, batch: StoryBatch, frames: Tensor) -> Tensor:
        """Decibels, and frames: (B, 2)."""
        drawn, real = paired_pixels(batch, frames)
        error = (drawn - real).square().mean(2)
        chosen = torch.ones_like(error) if self.pixels is None else some_pixels(batch, self.pixels)
        counted = chosen.sum((2, 3))
        error = (error * chosen).sum((2, 3)) / counted
        decibels = (10 * torch.log10(255.0**2 / error)).clamp(max=_BEST)
        valid = batch.frame_mask & (counted > 0)
        return torch.stack([torch.where(valid, decibels, 0).sum(1), valid.sum(1)], 1)

    def numbers(self, total: NDArray[np.float64]) -> dict[str, float]:
        return {self.name: float(total[0] / total[1])} if total[1] else {}

    def signature(self) -> dict[str, Any]:
        return {
            "metric": "psnr",
            "range": 255,
            "average": "frames",
            "equal frames": f"{_BEST:g} dB",
            "resize": "none",
            "pixels": self.pixels,
        }
