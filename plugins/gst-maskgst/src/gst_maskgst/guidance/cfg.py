"""Classifier-free guidance."""

from __future__ import annotations

from typing import Literal

from gst.condition import Condition
from gst.kinds.guidance import Branch, Guidance
from gst_maskgst.ranges import NotNegative


class ClassifierFree(Guidance):
    """(1 + s) l_text - s l_null (Ho and Salimans 2022; for tokens: Muse, Chang et al. 2023).

    Args:
        scale: s; 0 is no guidance. Muse's `cond_scale` is 1 + s.
        drop: what l_null is not told. "text": the captions, while the characters stay; "all": neither.
    """

    def __init__(self, *, scale: NotNegative = 2.0, drop: Literal["text", "all"] = "text") -> None:
        self.scale, self.drop = scale, drop
        self.needs = (drop,)

    def branches(self, condition: Condition, progress: float) -> list[Branch]:
        null = condition.without_text() if self.drop == "text" else condition.null()
        return [Branch("text", 1 + self.scale, condition), Branch("null", -self.scale, null)]
