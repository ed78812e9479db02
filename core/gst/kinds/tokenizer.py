"""Tokenizers: pictures to latents and back."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor

from gst.batch import StoryBatch
from gst.errors import DataError
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

    def encode_stories(self, batch: StoryBatch) -> Latents:
        """The latents of a batch's frames. Steps call this one: a tokenizer that must know more of a picture than its
        pixels (what is background) finds it in the batch's extras. By default it is `encode` of the frames.

        Raises:
            DataError: the batch lacks frames, or what the tokenizer must know.
        """
        if batch.frames is None:
            raise DataError("a tokenizer encodes frames, and these stories have none")
        return self.encode(batch.frames)

    @abstractmethod
    def decode(self, latents: Latents) -> Tensor:
        """latents (B, T, ...) -> frames (B, T, 3, H, W), clipped to [-1, 1]."""
