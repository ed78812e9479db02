"""Priors: what is learned of latents under a condition. One contract, and one class a family."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from torch import Tensor

from gst.condition import Condition
from gst.kinds.trainable import Trainable
from gst.latents import LatentSpec

if TYPE_CHECKING:
    from gst.conditioner import Conditioner

Family = Literal["masked", "autoregressive", "diffusion", "direct", "energy"]
Drop = Literal["text", "characters", "all"]


class Prior(Trainable):
    """A model of latents given a condition.

    Attributes:
        family: which predictions it makes; a sampler names the families it accepts.
        order: "story" where all frames are drawn together, "frame" where each waits for the one before.
        latents: the spec of the latents it models.
        max_frames: frames of the longest story it can draw, None for any.
        takes_given: names of the other stages' latents that it needs (`Condition.given`). The training step fills a
            bound argument of each name with the spec of those latents.
        conditioner: how captions became conditions when it was trained; saved with it.
    """

    kind: ClassVar[str] = "prior"
    family: ClassVar[Family]
    order: ClassVar[Literal["story", "frame"]] = "story"
    latents: LatentSpec
    max_frames: int | None = None
    takes_given: ClassVar[tuple[str, ...]] = ()

    def tell(self, conditioner: Conditioner) -> None:
        """Captions as the training step says, and characters where the prior takes them."""
        self.conditioner = conditioner if self.takes_characters else replace(conditioner, characters_from="none")

    @property
    def takes_characters(self) -> bool:
        """Whether `Condition.characters` changes its predictions."""
        return False

    @property
    def sees_frames(self) -> bool:
        """Whether a prediction for one frame depends on the latents of the others. Where it does not, frames that are
        given change nothing in those that are drawn."""
        return True

    @property
    def drops(self) -> dict[Drop, float]:
        """What it learned to do without, and how often that was trained: the branches a guidance may ask for.

        "text": the frame's captions are gone and its characters stay; "characters": the other way round;
        "all": neither is there.
        """
        return {}

    @classmethod
    def declared_characters(cls, options: Mapping[str, Any]) -> bool | None:
        """What `takes_characters` will be for a prior with these options (defaults included), before it is built.

        `gst check` reads it. None: not known before.
        """
        return None

    @classmethod
    def declared_drops(cls, options: Mapping[str, Any]) -> dict[Drop, float] | None:
        """What `drops` will be for a prior with these options (defaults included), before it is built.

        `gst check` refuses a guidance that asks for a branch that is not in it. None: not known before.
        """
        return None

    @abstractmethod
    def begin(self, condition: Condition) -> Any:
        """What is computed once a story: text projections, keys and values, an empty cache.

        Returns a tree (dict, list, tuple) of tensors with a leading batch dimension.
        """

    @abstractmethod
    def predict(self, state: Any, x: Tensor, t: float) -> tuple[Any, Any]:
        """One prediction.

        Args:
            state: from `begin`, or from the prediction before.
            x: the family's input (masked: ids with `mask_id` at masked places).
            t: the family's time (masked: the share of masked tokens, 1 at the start).

        Returns:
            the family's prediction, and the state for the next call.
        """


class MaskedPrior(Prior):
    """Predicts all tokens of all frames from those that are not masked.

    `predict` takes ids (B, T, h, w) with `mask_id` at masked places and gives logits (B, T, h, w, vocab).
    """

    family: ClassVar[Family] = "masked"

    @property
    def mask_id(self) -> int:
        """The id that stands for a masked token: one past the vocabulary."""
        return self.latents.vocab

    def allowed(self, state: Any) -> Tensor | None:
        """Which ids may be drawn at each place, by what the prior settles before it draws; None (the default): all.

        A sampler asks once, after `begin`, and draws no other id, whatever `predict` gives for it. Under a guidance it
        asks with the state of the first branch.

        Args:
            state: from `begin`.

        Returns:
            bool (B, T, h, w, vocab), at least one id a place, or None.
        """
        return None
