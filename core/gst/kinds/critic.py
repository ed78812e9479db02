"""Critics: score tokens for a sampler, in place of the prior's own confidence."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor

from gst.condition import Condition
from gst.kinds.trainable import Trainable
from gst.latents import LatentSpec

if TYPE_CHECKING:
    from gst.conditioner import Conditioner


class Critic(Trainable):
    """Says of every token how likely it is to be real.

    It judges the tokens that were drawn, whatever drew them: it is told the story as it is (the condition that a
    sampler is given), never the branches of a guidance.

    Attributes:
        latents: the spec of the latents it judges.
    """

    kind: ClassVar[str] = "critic"
    latents: LatentSpec

    def tell(self, conditioner: Conditioner) -> None:
        """Captions and characters as the training step says."""
        self.conditioner = conditioner

    @abstractmethod
    def begin(self, condition: Condition) -> Any:
        """What is computed once a story, for `score`."""

    @abstractmethod
    def score(self, state: Any, ids: Tensor) -> Tensor:
        """ids (B, T, h, w), none masked -> logits (B, T, h, w); higher is more likely real.

        In padding frames they mean nothing.
        """
