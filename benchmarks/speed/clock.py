"""Measuring in turns: A B A B, so that a machine that slows down slows all sides down."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Run = Callable[[], object]


@dataclass(frozen=True)
class Spread:
    """One number a round: seconds, or ratios of seconds.

    Args:
        values: in the order of the rounds.
    """

    values: Sequence[float]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def over(self, other: Spread) -> Spread:
        """self / other round by round, so that both halves of every ratio were measured side by side."""
        return Spread([a / b for a, b in zip(self.values, other.values, strict=True)])

    def to_json(self) -> dict[str, float | list[float]]:
        values = [round(v, 5) for v in self.values]
        return {"median": round(self.median, 5), "min": min(values), "max": max(values), "rounds": values}


def in_turns(
    sides: Mapping[str, Run], rounds: int, *, warm: Mapping[str, Run], say: Callable[[str], None]
) -> dict[str, Spread]:
    """Run every side once a round.

    Args:
        sides: what to measure, by name.
        rounds: how often.
        warm: what to run once beforehand, by name; a shorter version of the side.
        say: called with a line after every round.

    Returns:
        the seconds of each side.
    """
    for name in sides:
        warm[name]()
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds):
        for name, run in sides.items():
            seconds[name].append(timed(run))
        say(f"  round {number + 1} of {rounds}: " + ", ".join(f"{n} {s[-1]:.3f} s" for n, s in seconds.items()))
    return {name: Spread(values) for name, values in seconds.items()}


def timed(run: Run) -> float:
    """Seconds of one call."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started
