"""Vectors on a grid to frames."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from gst_vq.blocks import Upsample, make_norm
from gst_vq.shape import Shape, level_blocks, middle_blocks


class Decoder(nn.Module):
    """VQGAN's decoder: the encoder in reverse.

    Args:
        shape: the encoder's.
        in_width: channels of the vectors on the grid.
    """

    def __init__(self, shape: Shape, in_width: int) -> None:
        super().__init__()
        self.stem = shape.stem
        width = shape.widths[-1]
        layers: list[nn.Module] = [nn.Conv2d(in_width, width, 3, padding=1), *middle_blocks(shape)]
        for level in reversed(range(len(shape.widths))):
            layers += level_blocks(shape, level, shape.decoder_blocks[level])
            if level > 0:
                width = shape.widths[level - 1]
                layers.append(Upsample(shape.widths[level], width, shape.strides[level - 1]))
        self.layers = nn.Sequential(*layers, make_norm(shape.norm, width), nn.SiLU())
        self.last = nn.Conv2d(width, 3 * self.stem**2, 3, padding=1)

    def forward(self, codes: Tensor) -> Tensor:
        """(N, in_width, h, w) -> frames (N, 3, H, W), not clipped."""
        return F.pixel_shuffle(self.last(self.layers(codes)), self.stem)
