"""Tokenizers: pictures to latents and back."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor

from gst.kinds.trainable import Trainable
from gst.latents import Latents, LatentSpec


class Tokenizer(Trainable):
    """Turns frames into latents and latents into frames."""

    kind: ClassVar[str] = "tokenizer"

    @property
    @abstractmethod
    def spec(self) -> LatentSpec:
        """What `encode` gives."""

    @abstractmethod
    def encode(self, frames: Tensor) -> Latents:
        """frames (B, T, 3, H, W) in [-1, 1] -> latents (B, T, ...). Deterministic; no gradient needed."""

    @abstractmethod
    def decode(self, latents: Latents) -> Tensor:
        """latents (B, T, ...) -> frames (B, T, 3, H, W), clipped to [-1, 1]."""
