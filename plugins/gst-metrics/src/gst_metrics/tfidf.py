"""Nearest captions by TF-IDF."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_WORD = re.compile(r"\b\w\w+\b")


class NearestCaption:
    """Finds, among known captions, the one that is most like another.

    Likeness is the cosine of the counts of words of two letters or more, in lower case, each weighted by
    ln((1 + n) / (1 + n_w)) + 1, n_w being how many of the n known captions hold it: scikit-learn's `TfidfVectorizer`
    with its defaults.

    Args:
        captions: the known ones.
    """

    def __init__(self, captions: Sequence[str]) -> None:
        self.count = len(captions)
        counted = [_words(caption) for caption in captions]
        holding: dict[str, list[int]] = {}
        for index, words in enumerate(counted):
            for word in words:
                holding.setdefault(word, []).append(index)
        self._weight = {w: float(np.log((1 + self.count) / (1 + len(which))) + 1) for w, which in holding.items()}
        norms = [self._norm(words) for words in counted]
        self._postings = {
            word: (np.array(which), np.array([counted[i][word] * self._weight[word] / norms[i] for i in which]))
            for word, which in holding.items()
        }

    def likeness(self, caption: str) -> NDArray[np.float64]:
        """Cosine with each known caption; words that are in none of them do not count."""
        words = {word: n for word, n in _words(caption).items() if word in self._weight}
        cosines = np.zeros(self.count)
        for word, n in words.items():
            which, share = self._postings[word]
            cosines[which] += n * self._weight[word] * share
        return cosines / self._norm(words) if words else cosines

    def find(self, caption: str) -> int:
        """Index of the nearest known caption, the first of several."""
        return int(self.likeness(caption).round(12).argmax())

    def _norm(self, words: Counter[str] | dict[str, int]) -> float:
        return float(np.sqrt(sum((n * self._weight[word]) ** 2 for word, n in words.items())))


def _words(caption: str) -> Counter[str]:
    return Counter(_WORD.findall(caption.lower()))
