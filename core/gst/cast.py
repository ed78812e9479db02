"""The cast of a data set, and who a caption speaks of.

What a model is told about characters comes from the captions alone. This module reads captions: names and aliases by
word, and, where asked for, pronouns by a short and fixed rule, so that the same text always names the same characters
in training, in evaluation and in ``gst sample``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Resolve = Literal["none", "antecedent"]
Kind = Literal["name", "alias", "pronoun"]
GROUP_PRONOUNS = ("they", "them", "their", "both")


@dataclass(frozen=True)
class Character:
    """One member of a cast.

    Args:
        name: What the character is called.
        aliases: Other words for it, as written in captions ("bear"). A word that several characters have ("kids")
            stands for all of them.
        pronouns: Every form that may stand for it ("he", "him", "his").
        description: One line for people, and for writers that are language models; what draws never reads it.
    """

    name: str
    aliases: tuple[str, ...] = ()
    pronouns: tuple[str, ...] = ()
    description: str = ""


@dataclass(frozen=True)
class Mention:
    """A word of a caption that speaks of somebody; ``characters`` is empty where a pronoun has no antecedent."""

    text: str
    kind: Kind
    characters: tuple[str, ...]


class Discourse:
    """What has been said so far in one story: who was spoken of last, and which group.

    `Cast.explain` reads captions through it, and a grammar can write captions through it, so that both agree.
    """

    def __init__(self, cast: Cast) -> None:
        self._cast = cast
        self._recent: list[int] = []
        self._caption: list[int] = []
        self._group: tuple[int, ...] = ()

    def mention(self, characters: Iterable[int]) -> None:
        """Somebody is spoken of now, in this order."""
        for who in characters:
            if who in self._recent:
                self._recent.remove(who)
            self._recent.append(who)
            if who not in self._caption:
                self._caption.append(who)
        if len(self._caption) > 1:
            self._group = tuple(self._caption)

    def end_caption(self) -> None:
        """The next words belong to the next caption."""
        self._caption = []

    def refer(self, pronoun: str) -> tuple[int, ...]:
        """Whom a pronoun stands for here; empty if nobody.

        A group pronoun stands for the characters of this caption so far if they are two or more, else for those of the
        latest caption that had two or more, else for the two spoken of last ("Bobo waves. Pim comes. They sing."). Any
        other stands for the latest mentioned character that goes by it.
        """
        word = pronoun.lower()
        if word in self._cast.group_pronouns:
            if self._group:
                return self._group
            if len(self._recent) > 1:
                return tuple(self._recent[-2:])
        for who in reversed(self._recent):
            if word in self._cast.characters[who].pronouns:
                return (who,)
        return ()


def _any_of(words: Iterable[str]) -> str:
    """An alternation, longest first, so that "polar bear" is not read as "bear"."""
    return "|".join(re.escape(w) for w in sorted(words, key=lambda w: (-len(w), w)))


class Cast:
    """Named characters, in a fixed order, and the reading of captions that speak of them.

    Args:
        characters: The characters; their order is the order of every (C,) array.
        group_pronouns: Words that stand for two or more characters.
        ignore: Phrases that hold a name and mean nobody ("hot dog").
    """

    def __init__(
        self,
        characters: Sequence[Character],
        group_pronouns: tuple[str, ...] = GROUP_PRONOUNS,
        ignore: tuple[str, ...] = (),
    ) -> None:
        self.characters = tuple(characters)
        self.group_pronouns = group_pronouns
        self.ignore = ignore
        self._words: dict[str, tuple[int, ...]] = {}
        for index, character in enumerate(self.characters):
            for word in dict.fromkeys(w.casefold() for w in (character.name, *character.aliases)):
                self._words[word] = (*self._words.get(word, ()), index)
        self._names = {c.name.casefold() for c in self.characters}
        written = {w for c in self.characters for w in (c.name, *c.aliases)}
        pronouns = {p.lower() for c in self.characters for p in c.pronouns} | set(group_pronouns)
        ending = "(?:['’]s|s['’]?)?"
        patterns = [
            f"(?P<{group}>{_any_of(words)}){end}"
            for group, words, end in (
                ("nobody", ignore, ending),
                ("word", written, ending),
                ("pronoun", pronouns if self._words else (), ""),
            )
            if words
        ]
        self._pattern = re.compile(rf"(?<!\w)(?:{'|'.join(patterns)})(?!\w)" if patterns else r"(?!)", re.IGNORECASE)

    def to_json(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "characters": [asdict(character) for character in self.characters],
            "group_pronouns": list(self.group_pronouns),
            "ignore": list(self.ignore),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Cast:
        """The cast that `to_json` wrote."""
        characters = [
            Character(c["name"], tuple(c["aliases"]), tuple(c["pronouns"]), c["description"])
            for c in data["characters"]
        ]
        return cls(characters, tuple(data["group_pronouns"]), tuple(data["ignore"]))

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in order."""
        return tuple(c.name for c in self.characters)

    def __len__(self) -> int:
        return len(self.characters)

    def __repr__(self) -> str:
        return f"Cast({', '.join(self.names)})"

    def index(self, name: str) -> int:
        """The place of a name or alias in the cast; KeyError if nobody goes by it, or several do."""
        found = self._words[name.casefold()]
        if len(found) > 1:
            raise KeyError(name)
        return found[0]

    def mentions(self, caption: str) -> npt.NDArray[np.bool_]:
        """Who is named in one caption, by name or alias: (C,)."""
        named = np.zeros(len(self), bool)
        for match in self._pattern.finditer(caption):
            if match.lastgroup == "word":
                named[list(self._who(match["word"]))] = True
        return named

    def resolve(self, captions: Sequence[str], mode: Resolve = "none") -> npt.NDArray[np.bool_]:
        """Who each caption of a story speaks of: (T, C).

        Args:
            captions: The story's captions, in order.
            mode: "none" reads names and aliases only; "antecedent" also binds pronouns, by `Discourse.refer`.
        """
        if mode == "none":
            rows = [self.mentions(c) for c in captions]
            return np.stack(rows) if rows else np.zeros((0, len(self)), bool)
        if mode != "antecedent":
            raise ValueError(f"resolve mode {mode!r}: expected 'none' or 'antecedent'")
        told = np.zeros((len(captions), len(self)), bool)
        for frame, found in enumerate(self._read(captions)):
            for _, _, who in found:
                told[frame, list(who)] = True
        return told

    def explain(self, captions: Sequence[str]) -> list[list[Mention]]:
        """What "antecedent" reads in each caption, word by word."""
        names = self.names
        return [
            [Mention(text, kind, tuple(names[i] for i in who)) for text, kind, who in found]
            for found in self._read(captions)
        ]

    def _who(self, word: str) -> tuple[int, ...]:
        # `re` takes a few letters of other scripts for ours (dotless i) that casefold keeps apart: nobody's word.
        return self._words.get(word.casefold(), ())

    def _read(self, captions: Sequence[str]) -> list[list[tuple[str, Kind, tuple[int, ...]]]]:
        discourse = Discourse(self)
        frames = []
        for caption in captions:
            found: list[tuple[str, Kind, tuple[int, ...]]] = []
            for match in self._pattern.finditer(caption):
                if match.lastgroup == "nobody":
                    continue
                if match.lastgroup == "word":
                    who = self._who(match["word"])
                    kind: Kind = "name" if match["word"].casefold() in self._names else "alias"
                else:
                    who, kind = discourse.refer(match[0]), "pronoun"
                discourse.mention(who)
                found.append((match[0], kind, who))
            discourse.end_caption()
            frames.append(found)
        return frames
