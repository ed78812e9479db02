"""When a difference counts: only where it is larger than twice its standard error over seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gst.comparison.formats.grid import decimals
from gst.comparison.table import Difference
from gst.studying.spec import Way

ERRORS = 2.0
RULE = (
    "Verdicts: a difference is decided where it is larger than twice its standard error over seeds (se), which takes "
    "two seeds or more of both rows; else, and with one seed, it is undecided, however far its interval over stories "
    "is from zero. A claim that is decided holds or does not hold; a difference of which nothing is claimed is better "
    "or worse. The standard error is unpaired and that of few seeds: with three of each row, two equal models pass the "
    "rule about one time in nine, by chance, in each number."
)


@dataclass(frozen=True)
class Verdict:
    """What is to be said of a row and a number.

    Args:
        row: whose.
        than: compared with this row.
        column: the number.
        claim: what is claimed, or None.
        word: "holds", "does not hold", "better", "worse" or "undecided".
        value: the row's number less the other's.
        seed_error: standard error of the difference over seeds; None with one seed.
    """

    row: str
    than: str
    column: str
    claim: Way | None
    word: str
    value: float
    seed_error: float | None

    def __str__(self) -> str:
        """ "holds (+1.23, se 0.40)"; "undecided (+1.23, one seed)"."""
        digits = decimals([self.value, self.seed_error or 0.0])
        error = "one seed" if self.seed_error is None else f"se {self.seed_error:.{digits}f}"
        return f"{self.word} ({self.value:+.{digits}f}, {error})"


def judge(gap: Difference, than: str, direction: str, claim: Way | None) -> Verdict:
    """The verdict on a difference.

    Args:
        gap: of a row to another one.
        than: the other one.
        direction: "up" or "down", of the number.
        claim: what is claimed of the row, or None.
    """
    decided = gap.seed_error is not None and abs(gap.value) > ERRORS * gap.seed_error and math.isfinite(gap.value)
    found: Way = "better" if (gap.value > 0) == (direction == "up") else "worse"
    if not decided:
        word = "undecided"
    elif claim is None:
        word = found
    else:
        word = "holds" if found == claim else "does not hold"
    return Verdict(gap.row, than, gap.column, claim, word, gap.value, gap.seed_error)
