"""No guidance."""

from __future__ import annotations

from gst.condition import Condition
from gst.kinds.guidance import Branch, Guidance


class NoGuidance(Guidance):
    """The condition as it is, in one pass."""

    def branches(self, condition: Condition, progress: float) -> list[Branch]:
        return [Branch("text", 1.0, condition)]
