"""A perceptual loss on features of an untrained network."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from gst_vq.perceptual.features import feature_distance

_SEED = 20170405


class RandomFeatures:
    """Features of a small VGG-like network whose random weights never change.

    Untrained filters serve perceptual losses about as well as trained ones (Amir and Weiss 2021, "Understanding and
    Simplifying Perceptual Distances", CVPR; Liu et al. 2021, https://arxiv.org/abs/2103.10571), and need no download.
    Orthogonal weights from a fixed seed, so that every run and machine has the same loss.

    Args:
        widths: channels of the stages; each is a 3x3 convolution with ReLU, and pictures are halved between stages.
    """

    def __init__(self, widths: tuple[int, ...] = (64, 64, 128)) -> None:
        generator = torch.Generator().manual_seed(_SEED)
        self._weights: list[Tensor] = []
        width = 3
        for target in widths:
            weight = torch.empty(target, width, 3, 3)
            torch.nn.init.orthogonal_(weight.view(target, -1), gain=2.0**0.5, generator=generator)
            self._weights.append(weight)
            width = target

    def __call__(self, frames: Tensor, targets: Tensor) -> Tensor:
        """frames, targets: (N, 3, H, W) -> a scalar."""
        with torch.no_grad():
            wanted = self._features(targets)
        return feature_distance(self._features(frames), wanted)

    def _features(self, x: Tensor) -> list[Tensor]:
        self._weights = [weight.to(x.device) for weight in self._weights]
        features: list[Tensor] = []
        for weight in self._weights:
            x = F.relu(F.conv2d(F.avg_pool2d(x, 2) if features else x, weight, padding=1))
            features.append(x)
        return features
