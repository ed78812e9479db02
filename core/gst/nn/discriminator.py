"""A discriminator that judges patches."""

from __future__ import annotations

import math
from typing import Literal

from torch import Tensor, nn


class PatchDiscriminator(nn.Module):
    """PatchGAN (Isola et al. 2017, https://arxiv.org/abs/1611.07004; layout of VQGAN's reference code).

    (N, channels, H, W) -> (N, 1, h, w) logits, one a patch: `layers` 4x4 convolutions of stride 2 that double the
    width up to eightfold, one of stride 1, and one to a single channel. The first and the last have no normalisation.
    With 3 layers a patch is 70 pixels wide, with 2 it is 34, with 1 it is 16. Weights start from N(0, 0.02^2), scales
    from N(1, 0.02^2).

    Args:
        channels: of the pictures, or of pictures with a condition stacked on.
        width: channels after the first convolution.
        layers: convolutions of stride 2.
        norm: "batch" as in the papers, whose verdict on a picture depends on the other pictures; or "group".
    """

    def __init__(
        self, channels: int = 3, width: int = 64, layers: int = 3, norm: Literal["batch", "group"] = "batch"
    ) -> None:
        super().__init__()
        widths = [width * min(2**level, 8) for level in range(layers + 1)]
        parts: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for level in range(1, layers + 1):
            stride = 2 if level < layers else 1
            parts.append(nn.Conv2d(widths[level - 1], widths[level], 4, stride, 1, bias=False))
            if norm == "batch":
                parts.append(nn.BatchNorm2d(widths[level]))
            else:
                parts.append(nn.GroupNorm(math.gcd(32, widths[level]), widths[level]))
            parts.append(nn.LeakyReLU(0.2))
        parts.append(nn.Conv2d(widths[layers], 1, 4, 1, 1))
        self.layers = nn.Sequential(*parts)
        for part in parts:
            if isinstance(part, nn.Conv2d):
                nn.init.normal_(part.weight, 0.0, 0.02)
            elif isinstance(part, nn.BatchNorm2d | nn.GroupNorm):
                nn.init.normal_(part.weight, 1.0, 0.02)

    def forward(self, pictures: Tensor) -> Tensor:
        logits: Tensor = self.layers(pictures)
        return logits
