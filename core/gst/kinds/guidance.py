"""Guidance: several conditions, one prediction."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from gst.component import Component
from gst.condition import Condition
from gst.kinds.prior import Drop

if TYPE_CHECKING:
    from gst.conditioner import Conditioner


@dataclass(frozen=True)
class Branch:
    """One condition of a guidance.

    Args:
        name: the same name means the same condition at every step, so that what `Prior.begin` computed is kept.
        weight: its weight in the sum; the weights of all branches sum to 1.
        condition: what the model is told in this branch.
    """

    name: str
    weight: float
    condition: Condition


class Guidance(Component):
    """A weighted sum of predictions under different conditions.

    Attributes:
        needs: what the prior must have learned to do without (`Prior.drops`) for the branches to mean anything.
        needs_characters: whether the prior must take characters.
    """

    kind: ClassVar[str] = "guidance"
    needs: tuple[Drop, ...] = ()
    needs_characters: bool = False

    def prepare(self, condition: Condition, conditioner: Conditioner | None) -> Condition:
        """Called once before the first `branches`, for guidances that tell the model more than captions and characters.

        Args:
            condition: what the model is told.
            conditioner: of the prior; encodes the guidance's own texts into `Condition.texts`.

        Returns:
            what `branches` will be given.
        """
        return condition

    @abstractmethod
    def branches(self, condition: Condition, progress: float) -> list[Branch]:
        """The branches at `progress` (0 at the first decoding step, 1 at the last)."""

    def combine(self, predictions: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
        """The weighted sum of the branches' predictions (logits or noise alike)."""
        total = predictions[0] * weights[0]
        for prediction, weight in zip(predictions[1:], weights[1:], strict=True):
            total = total + prediction * weight
        return total
