"""What perceptual losses on a network's features share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def feature_distance(a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
    """LPIPS without its learned weights (Zhang et al. 2018, https://arxiv.org/abs/1801.03924, eq. 1).

    Every place's feature vector is scaled to length 1; squared differences are summed over channels, averaged over
    places, and summed over layers.

    Args:
        a, b: one (N, C, H, W) a layer.
    """
    return torch.stack([(_unit(x) - _unit(y)).square().sum(1).mean() for x, y in zip(a, b, strict=True)]).sum()


def _unit(x: Tensor) -> Tensor:
    x = x.float()
    # The square root's gradient is infinite at zero, where a place has no active feature at all.
    return x / (x.square().sum(1, keepdim=True) + 1e-8).sqrt()
