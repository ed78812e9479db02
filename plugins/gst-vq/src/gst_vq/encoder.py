"""Frames to vectors on a grid."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from gst_vq.blocks import Downsample, ResBlock, SpatialAttention, make_norm
from gst_vq.shape import Shape


class Encoder(nn.Module):
    """VQGAN's encoder: per level some residual blocks, then a strided convolution; at the bottom two more blocks.

    Attention follows every block of the last level and stands between the two at the bottom. Before all this the
    picture may be folded: `stem` x `stem` pixels become the channels of one place, so that no convolution runs at full
    resolution. On a CPU this is worth several times the speed.

    Args:
        shape: levels, widths, strides.
        out: channels of the result.
    """

    def __init__(self, shape: Shape, out: int) -> None:
        super().__init__()
        self.stem = shape.stem
        norm, width, last = shape.norm, shape.widths[0], len(shape.widths) - 1
        layers: list[nn.Module] = [nn.Conv2d(3 * self.stem**2, width, 3, padding=1)]
        for level, target in enumerate(shape.widths):
            for _ in range(shape.blocks[level]):
                layers.append(ResBlock(width, target, norm))
                width = target
                if shape.attention and level == last:
                    layers.append(SpatialAttention(width, norm))
            if level < last and shape.strides[level] != (1, 1):
                layers.append(Downsample(width, shape.strides[level]))
        layers.append(ResBlock(width, width, norm))
        if shape.attention:
            layers.append(SpatialAttention(width, norm))
        layers += [ResBlock(width, width, norm), make_norm(norm, width), nn.SiLU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, out, 3, padding=1))

    def forward(self, frames: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1] -> (N, out, h, w)."""
        z: Tensor = self.layers(F.pixel_unshuffle(frames, self.stem))
        return z
