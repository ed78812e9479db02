"""Whom a model recognises in captions, said before anything is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gst.cast import Mention
from gst.conditioner import Conditioner


@dataclass(frozen=True)
class Recognised:
    """What one caption says to the model.

    Args:
        mentions: its words that speak of the cast.
        characters: names of the characters the model is told for this frame.
        unknown: its words that no training caption had.
    """

    mentions: tuple[Mention, ...]
    characters: tuple[str, ...]
    unknown: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Such as "it -> Bobo; not in this world: dragon"."""
        parts = []
        for mention in self.mentions:
            who = " and ".join(mention.characters) or "nobody"
            part = who if mention.text == who else f"{mention.text} -> {who}"
            if part not in parts:
                parts.append(part)
        said = ", ".join(parts) or "nobody of the cast"
        return f"{said}; not in this world: {', '.join(self.unknown)}" if self.unknown else said


def recognise(conditioner: Conditioner, captions: Sequence[str]) -> list[Recognised]:
    """One `Recognised` a caption, read as the prior of `conditioner` reads captions."""
    cast, follows = conditioner.cast, conditioner.resolve == "antecedent"
    told = cast.resolve(list(captions), conditioner.resolve)
    out = []
    for caption, mentions, row in zip(captions, cast.explain(captions), told, strict=True):
        known = {word for mention in mentions for word in mention.text.split()}
        unknown = [] if conditioner.text is None else conditioner.text.unknown_words(caption)
        out.append(
            Recognised(
                tuple(m for m in mentions if follows or m.kind != "pronoun"),
                tuple(name for name, said in zip(cast.names, row, strict=True) if said),
                tuple(word for word in dict.fromkeys(unknown) if word not in known),
            )
        )
    return out
