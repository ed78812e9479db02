"""Text components: captions to ids or features."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar

import torch

from gst.component import Component
from gst.condition import Text, TextSpec


class TextEncoder(Component):
    """Turns captions into ids or features of fixed length, with a padding mask.

    The rows of a caption depend on that caption alone, to the bit: training encodes each caption once, and keeps
    features as float16 without their padding, so features should be numbers that float16 can hold.
    """

    kind: ClassVar[str] = "text"

    @property
    @abstractmethod
    def spec(self) -> TextSpec:
        """What `encode` gives. Known only after `fit` where the vocabulary is learned."""

    def fit(self, captions: Iterable[str]) -> dict[str, float]:
        """Learn from captions (a vocabulary, merges). Returns numbers to log. Nothing to learn by default."""
        return {}

    @abstractmethod
    def encode(self, captions: Sequence[Sequence[str]]) -> Text:
        """captions of B stories, T strings each (padding frames are "") -> Text (B, T, L), zeros at padding, on the
        CPU."""

    def to(self, device: torch.device) -> None:
        """Where to compute from now on. Called before training and drawing; matters to encoders with weights."""

    def count(self, caption: str) -> int:
        """Rows that this caption needs before any cut; more than `spec.length` does not fit."""
        raise NotImplementedError

    def unknown_words(self, caption: str) -> list[str]:
        """Words of this caption that no caption of the corpus had, in order. Empty where that is not known."""
        return []
