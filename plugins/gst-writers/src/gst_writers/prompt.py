"""What a language model is told: its role with the cast, and the captions of one story."""

from __future__ import annotations

from collections.abc import Sequence

from gst.cast import Cast, Character

Message = dict[str, str]

INSTRUCTIONS = (
    "You put captions of picture stories into other words. A story has several captions in a row, one for each "
    "picture, and a model learns from your words to draw the pictures. So write short and simple sentences about what "
    "can be seen. Leave everything as it is told: who is there, what they do, where they are, the place and the "
    "weather. Call the characters by their names and let no others come in."
)


def messages(captions: Sequence[str], cast: Cast, instructions: str | None) -> list[Message]:
    """The messages that ask for a story's captions in other words.

    Args:
        captions: T captions, sent as numbered lines.
        cast: who may be named; it is described after the instructions.
        instructions: in place of `INSTRUCTIONS`.
    """
    count = len(captions)
    parts = [INSTRUCTIONS if instructions is None else instructions]
    if len(cast):
        parts.append("The characters: " + " ".join(map(_introduced, cast.characters)))
    lines = "line" if count == 1 else "lines"
    parts.append(f"Answer with exactly {count} numbered {lines}, one for each caption, and nothing else.")
    numbered = "\n".join(f"{number}. {caption}" for number, caption in enumerate(captions, 1))
    return [{"role": "system", "content": "\n".join(parts)}, {"role": "user", "content": numbered}]


def corrected(asked: Sequence[Message], answer: str, why: str) -> list[Message]:
    """The same request again, with the answer that could not be used and the reason."""
    return [
        *asked,
        {"role": "assistant", "content": answer},
        {"role": "user", "content": f"I cannot use that: {why}. Write all lines again, numbered, and nothing else."},
    ]


def _introduced(character: Character) -> str:
    names = " or ".join([character.name, *character.aliases])
    return f"{names} is {character.description}." if character.description else f"{names}."
