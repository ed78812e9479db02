"""Critics: score tokens for a sampler, in place of the prior's own confidence."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from torch import Tensor

from gst.condition import Condition
from gst.kinds.trainable import Trainable


class Critic(Trainable):
    """Says of every token how likely it is to be real."""

    kind: ClassVar[str] = "critic"

    @abstractmethod
    def begin(self, condition: Condition) -> Any:
        """What is computed once a story."""

    @abstractmethod
    def score(self, state: Any, ids: Tensor) -> Tensor:
        """ids (B, T, h, w), none masked -> logits (B, T, h, w); higher is more likely real."""
