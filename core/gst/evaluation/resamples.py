"""What paired comparisons need of an evaluation: its numbers on resampled stories, and which stories these are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
LEVEL = 0.95
_NUMBERS, _ABOUT = "resamples.npy", "resamples.json"


def draws(stories: int, resamples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Rows of stories drawn with replacement, (stories,) for each resample: a function of (seed, stories) alone, so
    that whatever is scored on the same stories is resampled alike, and fewer resamples are the first of more."""
    random = np.random.Generator(np.random.Philox(seed))
    for _ in range(resamples):
        yield random.integers(0, stories, stories)


def draws_hash(stories: int, seed: int) -> str:
    """Tells draws apart: sha256 (hex) of the first resample."""
    return hashlib.sha256(next(draws(stories, 1, seed)).astype("<i8").tobytes()).hexdigest()


def interval(values: Array) -> tuple[float, float]:
    """The 95 % percentile interval of resampled numbers; those that are not defined are left out."""
    tail = (1 - LEVEL) / 2
    low, high = np.nanquantile(values, [tail, 1 - tail])
    return float(low), float(high)


@dataclass(frozen=True)
class Resamples:
    """Numbers of an evaluation on resampled stories.

    Two evaluations with the same stories and draws are paired resample by resample: the difference of their numbers is
    that of a bootstrap over stories which draws each story for both of them at once. This holds for any metric, also
    for one whose rows would be large or that is no sum over stories, and it takes no look at a picture or a network.

    Args:
        stories: their ids, in the order of the split.
        draws: `draws_hash` of the draws.
        numbers: (pictures, number) -> (R,), NaN where it is not defined on a resample. Numbers of a `biased` metric are
            moved back by their bias. Kept as float32.
    """

    stories: tuple[str, ...]
    draws: str
    numbers: Mapping[tuple[str, str], Array]

    def save(self, folder: Path) -> None:
        """Write them beside a table."""
        longest = max((len(values) for values in self.numbers.values()), default=0)
        table = np.full((len(self.numbers), longest), np.nan, np.float32)
        for row, values in zip(table, self.numbers.values(), strict=True):
            row[: len(values)] = values
        np.save(folder / _NUMBERS, table)
        about = {
            "stories": self.stories,
            "draws": self.draws,
            "numbers": [[of, name, len(values)] for (of, name), values in self.numbers.items()],
        }
        (folder / _ABOUT).write_text(json.dumps(about), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """What `save` wrote, or None where a table has none (it was scored before they were kept)."""
        if not (folder / _ABOUT).exists():
            return None
        about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
        table = np.load(folder / _NUMBERS).astype(np.float64)
        numbers = {(of, name): row[:count] for (of, name, count), row in zip(about["numbers"], table, strict=True)}
        return cls(tuple(about["stories"]), about["draws"], numbers)
