"""Random choices that stay the same for ever."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Draw:
    """Choices from a string key.

    Built on ``random.Random(key).random()`` alone: Python promises that a seed of a given type keeps its sequence of
    ``random()`` over versions; it does not promise that for ``choice`` or ``shuffle``, and NumPy does not for its
    generators.
    """

    def __init__(self, key: str) -> None:
        self._next = random.Random(key).random

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self._next() < probability

    def below(self, n: int) -> int:
        """One of 0..n-1."""
        return int(self._next() * n)

    def one(self, options: Sequence[T]) -> T:
        """One of the options, each as likely."""
        return options[int(self._next() * len(options))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """The items in random order (Fisher-Yates)."""
        out = list(items)
        for i in range(len(out) - 1, 0, -1):
            j = self.below(i + 1)
            out[i], out[j] = out[j], out[i]
        return out
