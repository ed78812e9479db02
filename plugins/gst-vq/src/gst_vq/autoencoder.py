"""Encoder, codebook and decoder as one module."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gst_vq.codebook import Codebook, Quantized
from gst_vq.decoder import Decoder
from gst_vq.encoder import Encoder


class Autoencoder(nn.Module):
    """Frames (N, 3, H, W) in [-1, 1] through a grid of codes and back. Convolutions run channels-last."""

    def __init__(self, encoder: Encoder, codebook: Codebook, decoder: Decoder) -> None:
        super().__init__()
        self.encoder, self.codebook, self.decoder = encoder, codebook, decoder

    def forward(self, frames: Tensor, generator: torch.Generator) -> tuple[Tensor, Quantized]:
        """The reconstruction (N, 3, H, W) in float32, not clipped, and the quantised grid."""
        quantized = self.codebook(self._encode(frames), generator)
        return self._decode(quantized.codes), quantized

    def encode(self, frames: Tensor) -> Tensor:
        """(N, 3, H, W) -> int64 ids (N, h, w)."""
        return self.codebook.lookup(self._encode(frames))

    def decode(self, ids: Tensor) -> Tensor:
        """int64 ids (N, h, w) -> frames (N, 3, H, W) in float32, not clipped."""
        return self._decode(self.codebook.embed(ids).permute(0, 3, 1, 2))

    def _encode(self, frames: Tensor) -> Tensor:
        z: Tensor = self.encoder(frames.contiguous(memory_format=torch.channels_last))
        return z

    def _decode(self, codes: Tensor) -> Tensor:
        frames: Tensor = self.decoder(codes.contiguous(memory_format=torch.channels_last))
        return frames.float()
