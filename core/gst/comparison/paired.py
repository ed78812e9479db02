"""How far apart two models are on the same stories: a paired bootstrap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gst.comparison.groups import Group
from gst.comparison.scores import Scores
from gst.errors import DataError
from gst.evaluation.resamples import Resamples, interval

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Paired:
    """A paired difference over resampled stories.

    Args:
        low: lower end of its 95 % percentile interval.
        high: upper end.
        p: two-sided: twice the share of resamples on the other side of zero (Koehn 2004), with one added to both
            counts, so that it is never 0 (Davison & Hinkley 1997, section 4.2).
        resamples: on how many resamples both numbers are defined.
    """

    low: float
    high: float
    p: float
    resamples: int


def mean_over(numbers: Sequence[Array]) -> Array:
    """The mean over seeds, resample by resample, for as many as all of them have. NaN where one is not defined."""
    count = min(len(values) for values in numbers)
    mean: Array = np.mean([values[:count] for values in numbers], axis=0)
    return mean


def paired(ours: Array, theirs: Array) -> Paired | None:
    """The difference of two models' numbers on the same resampled stories.

    Args:
        ours: numbers on resamples, (R,).
        theirs: the other's on the same draws; of another length where one of them was resampled more often.
    """
    count = min(len(ours), len(theirs))
    gaps = ours[:count] - theirs[:count]
    gaps = gaps[np.isfinite(gaps)]
    if not len(gaps):
        return None
    least = min(int((gaps <= 0).sum()), int((gaps >= 0).sum()))
    return Paired(*interval(gaps), p=min(1.0, 2 * (1 + least) / (1 + len(gaps))), resamples=len(gaps))


def standard_error(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Standard error of the difference of two means over seeds, unpaired (Welch 1947), where each has two or more."""
    if min(len(one), len(other)) < 2:
        return None
    return math.sqrt(sum(float(np.var(values, ddof=1)) / len(values) for values in (one, other)))


def resamples_of(members: Sequence[Scores]) -> list[Resamples]:
    """Of all of them; empty where some have none."""
    found = [member.resamples() for member in members]
    return [] if any(each is None for each in found) else [each for each in found if each is not None]


def check_same(one: Group, ours: Sequence[Resamples], other: Group, theirs: Sequence[Resamples]) -> None:
    """Raise `DataError` where two groups cannot be paired: no resamples, other stories, or other draws of them."""
    for group, kept in ((one, ours), (other, theirs)):
        if not kept:
            first = group.members[0]
            raise DataError(
                f"'{group.label}' cannot be paired: the table of its step '{first.step}' in the store has no resamples",
                hint="It was scored before they were kept, or it left the store. Score it again: "
                f"gst run RECIPE --force {first.step}.",
            )
    for mine in (*ours[1:], *theirs):
        if mine.stories != ours[0].stories:
            gone = len(set(ours[0].stories) ^ set(mine.stories))
            what = f"{gone} stories are not in both" if gone else "they are in another order"
            raise DataError(f"'{one.label}' and '{other.label}' were not scored on the same stories: {what}")
        if mine.draws != ours[0].draws:
            raise DataError(
                f"'{one.label}' and '{other.label}' were scored on other resamples of the stories",
                hint="Score both with the same version of gst.",
            )
