"""Character guidance."""

from __future__ import annotations

from typing import Literal

from gst.condition import Condition
from gst.errors import UsageError
from gst.kinds.guidance import Branch, Guidance
from gst.kinds.prior import Drop
from gst_maskgst.ranges import NotNegative


class CharacterGuidance(Guidance):
    """Weighs in what the characters alone ask for, and what their opposite asks for (thesis, section 8.3.4).

    l_char: captions dropped, characters as told. l_notchar: captions dropped, present and absent characters swapped.

    - plus (CG+, eq. 8.3.7): (1 - f) l_text + f l_char
    - minus (CG-): (1 + f) l_text - f l_notchar
    - plus-minus (CG+-, eq. 8.3.8): (1 - f) l_text + 2 f l_char - f l_notchar

    Both branches carry no caption rows, so they run together in one short pass.

    Args:
        scale: f (0.2 in the thesis; 0.4 has its best numbers at D = 2048); 0 is no guidance.
        mode: which of the three.
    """

    needs: tuple[Drop, ...] = ("text",)
    needs_characters = True

    def __init__(
        self, *, scale: NotNegative = 0.2, mode: Literal["plus", "minus", "plus-minus"] = "plus-minus"
    ) -> None:
        self.scale, self.mode = scale, mode

    def branches(self, condition: Condition, progress: float) -> list[Branch]:
        if condition.characters is None:
            raise UsageError(
                "guidance 'character' needs to be told of characters, and the condition tells of none",
                hint="Train the prior with characters_from: captions, or use another guidance.",
            )
        f = self.scale
        text, char, notchar = {
            "plus": (1 - f, f, 0.0),
            "minus": (1 + f, 0.0, -f),
            "plus-minus": (1 - f, 2 * f, -f),
        }[self.mode]
        untold = condition.without_text()
        return [
            Branch("text", text, condition),
            Branch("char", char, untold),
            Branch("notchar", notchar, untold.flip_characters()),
        ]
