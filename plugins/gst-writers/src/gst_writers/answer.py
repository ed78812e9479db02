"""Reading what a language model answered, and refusing what cannot be trained on."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from gst.cast import Cast

_NUMBERED = re.compile(r"\s*(\d+)\s*[.):]\s*(.*?)\s*")
_QUOTES = {'"': '"', "“": "”", "'": "'"}


class BadAnswer(ValueError):
    """An answer that cannot be used; its message says why, in words that the model is told too."""


def read_answer(text: str, captions: Sequence[str], cast: Cast, max_words: int) -> tuple[str, ...]:
    """The T captions in an answer.

    They must be T lines, numbered from 1 (words before the first are passed over), none longer than `max_words`. Each
    must name all whom the original names, and the story as a whole must speak in each caption of the same characters as
    the original does, pronouns followed.

    Raises:
        BadAnswer: they are not.
    """
    found = _lines(text, len(captions))
    for number, caption in enumerate(found, 1):
        if not any(letter.isalpha() for letter in caption) or not caption.isprintable():
            raise BadAnswer(f"line {number} is no sentence")
        if (words := len(caption.split())) > max_words:
            raise BadAnswer(f"line {number} has {words} words, and {max_words} are the most")
    told, wanted = cast.resolve(found, "antecedent"), cast.resolve(list(captions), "antecedent")
    for number, (caption, original) in enumerate(zip(found, captions, strict=True), 1):
        named = cast.mentions(original) & ~cast.mentions(caption)
        if named.any() or (wanted[number - 1] & ~told[number - 1]).any():
            missing = named | (wanted[number - 1] & ~told[number - 1])
            raise BadAnswer(f"line {number} must name {_names(cast, missing)}")
        if (others := told[number - 1] & ~wanted[number - 1]).any():
            raise BadAnswer(f"line {number} must not speak of {_names(cast, others)}")
    return tuple(found)


def _lines(text: str, count: int) -> list[str]:
    found: list[str] = []
    for line in text.splitlines():
        match = _NUMBERED.fullmatch(line)
        if match is None:
            if found and line.strip():
                raise BadAnswer(f"there is a line without a number: {line.strip()[:60]!r}")
            continue
        if int(match[1]) != len(found) + 1:
            raise BadAnswer(f"line {len(found) + 1} has the number {match[1]}")
        found.append(_unquoted(match[2]))
    if len(found) != count:
        raise BadAnswer(f"there are {len(found)} numbered lines, and there must be {count}")
    return found


def _unquoted(caption: str) -> str:
    whole = len(caption) > 1 and _QUOTES.get(caption[0]) == caption[-1]
    return caption[1:-1].strip() if whole else caption


def _names(cast: Cast, who: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> str:
    return " and ".join(name for name, there in zip(cast.names, who, strict=True) if there)
