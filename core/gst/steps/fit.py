"""Step `fit`: learns a text component from captions."""

from __future__ import annotations

import copy
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar

from gst.artifacts import Captions, Tokens
from gst.kinds import Step, StorySet, TextEncoder
from gst.recipe.blueprint import built
from gst.training.conditions import captions_of

if TYPE_CHECKING:
    from gst.context import StepContext

_FEW_STORIES = 100


class Fit(Step):
    """Fits a text component (a vocabulary, merges) on the captions of a split; no picture is read.

    Args:
        text: the text component.
        data: whose captions.
        alternatives: captions that were written for these stories, to be learned with their own.
    """

    outputs: ClassVar[dict[str, type]] = {"text": TextEncoder}

    def __init__(self, *, text: TextEncoder, data: StorySet | Tokens, alternatives: Captions | None = None) -> None:
        self.text, self.data, self.alternatives = text, data, alternatives

    def run(self, context: StepContext) -> dict[str, Any]:
        """Fit it and log what it says of itself."""
        text, numbers = self._fit(len(self.data))
        context.tracker.rewind(-1)
        context.tracker.log(0, numbers)
        return {"text": text}

    def stand_in(self, context: StepContext) -> dict[str, Any]:
        """Fitted on a few stories."""
        return {"text": self._fit(min(_FEW_STORIES, len(self.data)))[0]}

    def _fit(self, stories: int) -> tuple[TextEncoder, dict[str, float]]:
        text: TextEncoder = copy.deepcopy(built(self.text))
        own = (caption for i in range(stories) for caption in captions_of(self.data, i))
        others = () if self.alternatives is None else self.alternatives.texts()
        numbers = text.fit(chain(own, others))
        return text, numbers
