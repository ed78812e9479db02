"""Encoder, codebook and decoder as one module."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gst_vq.codebook import Codebook, Quantized
from gst_vq.decoder import Decoder
from gst_vq.dual_codebook import DualCodebook
from gst_vq.encoder import Encoder


class Autoencoder(nn.Module):
    """Frames (N, 3, H, W) in [-1, 1] through a grid of codes and back. Convolutions run channels-last.

    `where` is what the codebook must know besides the grid: nothing, or the dual codebook's `background`.
    """

    def __init__(self, encoder: Encoder, codebook: Codebook | DualCodebook, decoder: Decoder) -> None:
        super().__init__()
        self.encoder, self.codebook, self.decoder = encoder, codebook, decoder

    def forward(self, frames: Tensor, generator: torch.Generator, **where: Tensor) -> tuple[Tensor, Quantized]:
        """The reconstruction (N, 3, H, W) in float32, not clipped, and the quantised grid."""
        quantized = self.codebook(self.features(frames), generator, **where)
        return self.draw(quantized.codes), quantized

    def encode(self, frames: Tensor, **where: Tensor) -> Tensor:
        """(N, 3, H, W) -> int64 ids (N, h, w)."""
        return self.codebook.lookup(self.features(frames), **where)

    def decode(self, ids: Tensor) -> Tensor:
        """int64 ids (N, h, w) -> frames (N, 3, H, W) in float32, not clipped."""
        return self.draw(self.codebook.embed(ids).permute(0, 3, 1, 2))

    def features(self, frames: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, D, h, w), what is quantised."""
        z: Tensor = self.encoder(frames.contiguous(memory_format=torch.channels_last))
        return z

    def draw(self, codes: Tensor) -> Tensor:
        """Codes (N, D, h, w) -> frames (N, 3, H, W) in float32, not clipped."""
        frames: Tensor = self.decoder(codes.contiguous(memory_format=torch.channels_last))
        return frames.float()
