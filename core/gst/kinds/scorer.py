"""Scorers: networks that metrics read, and nothing that is trained ever does."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from gst.cast import Cast
from gst.errors import UsageError
from gst.kinds.trainable import Trainable

_FRAMES_A_PASS = 256


class Scorer(Trainable):
    """A classifier or feature extractor that metrics look at pictures through.

    It is trained on real frames alone, and its weights are in no training loss of a generator: otherwise a metric would
    measure how well the generator fools its own teacher.

    Attributes:
        cast: whom its "characters" are, in order; an empty cast where it tells none.
        resize: how frames are brought to the size it reads, for signatures.
    """

    kind: ClassVar[str] = "scorer"
    cast: Cast
    resize: str

    def __init__(self) -> None:
        super().__init__()
        self._seen: Any = WeakTensorKeyDictionary()

    @abstractmethod
    def score(self, frames: Tensor) -> dict[str, Tensor]:
        """frames (N, 3, H, W) in [-1, 1] -> "features" (N, D), and what else it tells of a picture.

        Names that metrics know: "characters", logits (N, C); "place", logits (N, P); "position", logits (N, C, P + 1)
        whose class 0 is "not in the picture".
        """

    def read(self, frames: Tensor) -> dict[str, Tensor]:
        """frames (B, T, 3, H, W) in [-1, 1] -> what `score` tells of each, (B, T, ...), without gradients.

        Always in float32, so that a number does not depend on the precision a run trains in. While the tensor `frames`
        lives, its scores are kept: several metrics that read the same pictures cost one pass. Pictures given here must
        not be changed in place. Raises `UsageError` in training mode.
        """
        if self.training:
            raise UsageError(f"scorer '{self.use}' is in training mode and cannot judge pictures", hint="Call eval().")
        if frames not in self._seen:
            flat = frames.flatten(0, 1)
            with torch.no_grad(), torch.autocast(flat.device.type, enabled=False):
                parts = [self.score(part.float()) for part in torch.split(flat, _FRAMES_A_PASS)]
            self._seen[frames] = {
                name: whole.view(*frames.shape[:2], *whole.shape[1:])
                for name in parts[0]
                for whole in [torch.cat([part[name] for part in parts])]
            }
        scores: dict[str, Tensor] = self._seen[frames]
        return scores

    def train(self, mode: bool = True) -> Self:
        """As in torch. Forgets kept scores when it starts to train, since the weights may change then."""
        if mode:
            self._seen.clear()
        return super().train(mode)
