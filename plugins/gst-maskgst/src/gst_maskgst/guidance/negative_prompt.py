"""Negative prompts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gst.condition import Condition, Text
from gst.errors import UsageError
from gst.kinds.guidance import Branch, Guidance
from gst_maskgst.ranges import NotNegative

if TYPE_CHECKING:
    from gst.conditioner import Conditioner


class NegativePrompt(Guidance):
    """(1 + s) l_text - s l_negative (Muse, section 2.7): away from what another text describes.

    In l_negative every caption is replaced by the negative prompt; characters stay as they were told.

    Args:
        prompt: what not to draw, such as "a dark night".
        scale: s; 0 is no guidance.
    """

    def __init__(self, *, prompt: str, scale: NotNegative = 1.0) -> None:
        self.prompt, self.scale = prompt, scale

    def prepare(self, condition: Condition, conditioner: Conditioner | None) -> Condition:
        if condition.text is None or conditioner is None or conditioner.text is None:
            raise UsageError(
                "guidance 'negative-prompt' needs a prior that was trained with captions",
                hint="Use guidance 'none' or 'character' with this prior.",
            )
        one = conditioner.text.encode([[self.prompt]]).to(condition.frame_mask.device)
        every = Text(one.data.expand_as(condition.text.data), one.mask.expand_as(condition.text.mask))
        return replace(condition, texts={**condition.texts, "negative": every})

    def branches(self, condition: Condition, progress: float) -> list[Branch]:
        negative = replace(condition, text=condition.texts["negative"])
        return [Branch("text", 1 + self.scale, condition), Branch("negative", -self.scale, negative)]
