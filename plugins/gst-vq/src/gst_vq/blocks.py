"""The convolutional blocks that encoder and decoder share.

Layout and order are those of VQGAN (Esser et al. 2021, https://arxiv.org/abs/2012.09841, appendix; the blocks come from
Ho et al. 2020): normalisation, SiLU, convolution. There is no dropout.
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
    """(N, in, H, W) -> (N, out, H, W): two 3x3 convolutions and a skip, 1x1 where the width changes."""

    def __init__(self, in_width: int, out_width: int, norm: Norm) -> None:
        super().__init__()
        self.norm1 = make_norm(norm, in_width)
        self.conv1 = nn.Conv2d(in_width, out_width, 3, padding=1)
        self.norm2 = make_norm(norm, out_width)
        self.conv2 = nn.Conv2d(out_width, out_width, 3, padding=1)
        self.skip = nn.Identity() if in_width == out_width else nn.Conv2d(in_width, out_width, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        out: Tensor = self.skip(x) + self.conv2(F.silu(self.norm2(h)))
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
    """Strided convolution, kernel 2 * stride - 1 (3 at least), padded so that sizes divide exactly.

    At stride 2 this is VQGAN's: kernel 3, one row and column of zeros below and to the right.
    """

    def __init__(self, width: int, stride: tuple[int, int]) -> None:
        kernel = (max(3, 2 * stride[0] - 1), max(3, 2 * stride[1] - 1))
        super().__init__(width, width, kernel, stride)
        rows, columns = kernel[0] - stride[0], kernel[1] - stride[1]
        self.border = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(F.pad(input, self.border))


class Upsample(nn.Conv2d):
    """Nearest neighbour by `stride`, then a 3x3 convolution."""

    def __init__(self, width: int, stride: tuple[int, int]) -> None:
        super().__init__(width, width, 3, padding=1)
        self.factor = (float(stride[0]), float(stride[1]))

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(F.interpolate(input, scale_factor=self.factor, mode="nearest"))
