"""The convolutional blocks that encoder and decoder share.

They are those of VQGAN (Esser et al. 2021, https://arxiv.org/abs/2012.09841, appendix; from Ho et al. 2020):
normalisation, SiLU, convolution; no dropout. One thing differs: widths change where the resolution does, not in blocks.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Norm = Literal["group", "layer", "none"]


class ChannelLayerNorm(nn.LayerNorm):
    """Layer normalisation over the channels of every pixel of (N, C, H, W).

    On a CPU in bf16 it costs a tenth of a GroupNorm of 32 groups, whose kernel walks groups of two to eight channels.
    """

    def forward(self, input: Tensor) -> Tensor:
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def make_norm(norm: Norm, width: int) -> nn.Module:
    """ "group": GroupNorm of 32 groups as in VQGAN; "layer": over each pixel's channels; "none": nothing."""
    if norm == "group":
        return nn.GroupNorm(math.gcd(32, width), width, eps=1e-6)
    return ChannelLayerNorm(width) if norm == "layer" else nn.Identity()


class ResBlock(nn.Module):
    """(N, width, H, W) -> the same: two 3x3 convolutions beside a skip. At the start it passes its input unchanged."""

    def __init__(self, width: int, norm: Norm) -> None:
        super().__init__()
        self.norm1 = make_norm(norm, width)
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.norm2 = make_norm(norm, width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        out: Tensor = x + self.conv2(F.silu(self.norm2(h)))
        return out


class SpatialAttention(nn.Module):
    """Self-attention over the H * W places of (N, C, H, W), one head, with a skip."""

    def __init__(self, width: int, norm: Norm) -> None:
        super().__init__()
        self.norm = make_norm(norm, width)
        self.qkv = nn.Conv2d(width, 3 * width, 1)
        self.out = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        q, k, v = self.qkv(self.norm(x)).flatten(2).transpose(1, 2).chunk(3, dim=-1)
        y = F.scaled_dot_product_attention(q, k, v)
        out: Tensor = x + self.out(y.transpose(1, 2).reshape(n, c, h, w))
        return out


class Downsample(nn.Conv2d):
    """(N, in, H, W) -> (N, out, H / rows, W / columns) by a strided convolution whose windows overlap by half."""

    def __init__(self, in_width: int, out_width: int, stride: tuple[int, int]) -> None:
        kernel = (_window(stride[0]), _window(stride[1]))
        padding = ((kernel[0] - stride[0]) // 2, (kernel[1] - stride[1]) // 2)
        super().__init__(in_width, out_width, kernel, stride, padding)


class Upsample(nn.Conv2d):
    """(N, in, H, W) -> (N, out, H * rows, W * columns): nearest neighbour, then a 3x3 convolution."""

    def __init__(self, in_width: int, out_width: int, stride: tuple[int, int]) -> None:
        super().__init__(in_width, out_width, 3, padding=1)
        self.factor = (float(stride[0]), float(stride[1]))

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(F.interpolate(input, scale_factor=self.factor, mode="nearest"))


def _window(stride: int) -> int:
    """A kernel size that differs from the stride by an even number, so that padding is the same on both sides."""
    return 2 * stride if stride % 2 == 0 else max(3, 2 * stride - 1)
