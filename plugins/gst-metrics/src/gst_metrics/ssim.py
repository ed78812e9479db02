"""SSIM against the real frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gst.batch import StoryBatch
from gst.errors import DataError
from gst_metrics.pixels import paired_pixels
from gst_metrics.sums import SumMetric

_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


class SSIM(SumMetric):
    """Structural similarity (Wang et al. 2004, eq. 13): Gaussian window of 11 x 11 pixels with sigma 1.5, K1 = 0.01,
    K2 = 0.03, on 8-bit pixels; mean over whole windows, channels and frames.
    """

    directions = {"ssim": "up"}  # noqa: RUF012

    def sums(self, batch: StoryBatch, frames: Tensor) -> Tensor:
        """Similarities, and frames: (B, 2)."""
        drawn, real = paired_pixels(batch, frames)
        valid = batch.frame_mask
        similarity = torch.zeros(valid.shape, dtype=torch.float64, device=frames.device)
        similarity[valid] = ssim(drawn[valid], real[valid])
        return torch.stack([similarity.sum(1), valid.sum(1)], 1)

    def numbers(self, total: NDArray[np.float64]) -> dict[str, float]:
        return {"ssim": float(total[0] / total[1])}

    def signature(self) -> dict[str, Any]:
        return {
            "metric": "ssim",
            "window": f"gaussian {_WINDOW}, sigma {_SIGMA:g}, valid",
            "range": 255,
            "channels": "mean of RGB",
            "resize": "none",
        }


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Structural similarity of pictures (N, 3, H, W) with pixels in [0, 255]: (N,)."""
    if min(a.shape[-2:]) < _WINDOW:
        raise DataError(f"ssim needs frames of {_WINDOW} pixels at least; these have {a.shape[-2]} x {a.shape[-1]}")
    down, across = (_band(size).to(a) for size in a.shape[-2:])

    def blur(x: Tensor) -> Tensor:
        return down @ x @ across.T

    mean_a, mean_b = blur(a), blur(b)
    var_a, var_b = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2
    covariance = blur(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + _C1) / (mean_a**2 + mean_b**2 + _C1)
    structure = (2 * covariance + _C2) / (var_a + var_b + _C2)
    return (luminance * structure).mean((1, 2, 3))


def _band(size: int) -> Tensor:
    """The window slid along one axis, as a matrix (size - 10, size): on a CPU much faster than a convolution."""
    axis = torch.arange(_WINDOW, dtype=torch.float64) - _WINDOW // 2
    gauss = torch.exp(-axis.square() / (2 * _SIGMA**2))
    band = torch.zeros(size - _WINDOW + 1, size, dtype=torch.float64)
    for row in range(len(band)):
        band[row, row : row + _WINDOW] = gauss / gauss.sum()
    return band
