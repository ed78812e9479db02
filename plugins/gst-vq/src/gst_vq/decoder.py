"""Vectors on a grid to frames."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from gst_vq.blocks import ResBlock, SpatialAttention, Upsample, make_norm
from gst_vq.shape import Shape


class Decoder(nn.Module):
    """VQGAN's decoder: the encoder in reverse, with one residual block more a level.

    Args:
        shape: the encoder's.
        in_width: channels of the vectors on the grid.
    """

    def __init__(self, shape: Shape, in_width: int) -> None:
        super().__init__()
        self.stem = shape.stem
        norm, width, last = shape.norm, shape.widths[-1], len(shape.widths) - 1
        layers: list[nn.Module] = [nn.Conv2d(in_width, width, 3, padding=1), ResBlock(width, width, norm)]
        if shape.attention:
            layers.append(SpatialAttention(width, norm))
        layers.append(ResBlock(width, width, norm))
        for level in reversed(range(len(shape.widths))):
            for _ in range(shape.blocks[level] + 1):
                layers.append(ResBlock(width, shape.widths[level], norm))
                width = shape.widths[level]
                if shape.attention and level == last:
                    layers.append(SpatialAttention(width, norm))
            if level > 0 and shape.strides[level - 1] != (1, 1):
                layers.append(Upsample(width, shape.strides[level - 1]))
        self.layers = nn.Sequential(*layers, make_norm(norm, width), nn.SiLU())
        self.last = nn.Conv2d(width, 3 * self.stem**2, 3, padding=1)

    def forward(self, codes: Tensor) -> Tensor:
        """(N, in_width, h, w) -> frames (N, 3, H, W), not clipped."""
        return F.pixel_shuffle(self.last(self.layers(codes)), self.stem)
