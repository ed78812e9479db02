"""A perceptual loss without a network: edges at several scales."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


class PyramidLoss:
    """L1 between Laplacian pyramids (Bojanowski et al. 2018, https://arxiv.org/abs/1707.05776, "Lap1").

    A band is what is lost when a picture is halved by averaging and doubled again; the coarsest picture is the last
    band. Each band's mean absolute difference counts 1, so an edge counts far more here than in a mean over pixels.

    Args:
        levels: bands with detail; fewer where a picture cannot be halved evenly.
    """

    def __init__(self, levels: int = 3) -> None:
        self.levels = levels

    def __call__(self, frames: Tensor, targets: Tensor) -> Tensor:
        """frames, targets: (N, 3, H, W) -> a scalar."""
        rest = frames - targets  # The pyramid is linear, so the pyramid of the difference will do.
        total = rest.new_zeros(())
        for _ in range(self.levels):
            if rest.shape[2] % 2 or rest.shape[3] % 2:
                break
            small = F.avg_pool2d(rest, 2)
            total = total + (rest - F.interpolate(small, scale_factor=2.0, mode="nearest")).abs().mean()
            rest = small
        return total + rest.abs().mean()
