"""Frames to vectors on a grid."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from gst_vq.blocks import Downsample, make_norm
from gst_vq.shape import Shape, level_blocks, middle_blocks


class Encoder(nn.Module):
    """VQGAN's encoder: some residual blocks a level, and a strided convolution between one level and the next.

    Before all this the picture may be folded: `stem` x `stem` pixels become the channels of one place, so that no
    convolution runs at full resolution. On a CPU this is worth several times the speed.

    Args:
        shape: levels, widths, strides.
        out: channels of the result.
    """

    def __init__(self, shape: Shape, out: int) -> None:
        super().__init__()
        self.stem = shape.stem
        layers: list[nn.Module] = [nn.Conv2d(3 * self.stem**2, shape.widths[0], 3, padding=1)]
        for level, width in enumerate(shape.widths):
            if level > 0:
                layers.append(Downsample(shape.widths[level - 1], width, shape.strides[level - 1]))
            layers += level_blocks(shape, level, shape.blocks[level])
        layers += [*middle_blocks(shape), make_norm(shape.norm, width), nn.SiLU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, out, 3, padding=1))

    def forward(self, frames: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1] -> (N, out, h, w)."""
        z: Tensor = self.layers(F.pixel_unshuffle(frames, self.stem))
        return z
