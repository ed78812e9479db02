"""From metrics with rows to a table: every number with its interval, floor, ceiling and signature."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gst.evaluation.bootstrap import resampled
from gst.evaluation.collect import SHUFFLED
from gst.evaluation.resamples import interval
from gst.kinds import Metric
from gst.kinds.metric import Direction

Numbers = dict[str, float]


@dataclass(frozen=True)
class Bounds:
    """Which pictures stand for the ends of the scale.

    Args:
        ceiling: name of the tokenizer's reconstructions, or None.
        unigram: name of the pictures that are the floor of metrics with floor "unigram", or None.
    """

    ceiling: str | None
    unigram: str | None

    def floor_of(self, metric: Metric) -> str | None:
        """The source that is the metric's floor."""
        return {"shuffled": SHUFFLED, "unigram": self.unigram}[metric.floor] if metric.floor else None

    def ceiling_of(self, metric: Metric) -> str | None:
        """The source that is the metric's ceiling."""
        return self.ceiling if metric.ceiling else None


def build_rows(
    meters: Mapping[str, Sequence[Metric | None]],
    bounds: Bounds,
    *,
    stories: int,
    resamples: int,
    seed: int,
    about: Mapping[str, Any],
    sources: Mapping[str, Any],
    advance: Callable[[], None],
) -> tuple[list[dict[str, Any]], dict[tuple[str, str], NDArray[np.float64]]]:
    """One row for every number of every source, and the numbers on resampled stories that intervals come from.

    Args:
        meters: source -> the metrics with their rows, as `collect` gives them.
        bounds: which sources are floor and ceiling.
        stories: how many rows each metric has.
        resamples: for intervals, where a metric asks for no number of its own.
        seed: of the resamples.
        about: what every signature says besides (data, counts).
        sources: source -> what its signature says of the pictures.
        advance: called after each metric of each source.

    Returns:
        rows as in `gst.artifacts.Table`; "way" is how far the value is from floor (0) to ceiling (1), None
        where there is no way: one of them is missing, or the ceiling is no better than the floor; and
        (source, number) -> its values on resampled stories.
    """
    rows, drawn = [], {}
    for index in range(len(next(iter(meters.values())))):
        values: dict[str, Numbers] = {s: m.compute() for s, row in meters.items() if (m := row[index]) is not None}
        for source, row in meters.items():
            metric = row[index]
            if metric is None:
                continue
            count = resamples if metric.bootstrap is None else min(resamples, metric.bootstrap)
            spread = resampled(metric, stories, count, seed)
            drawn.update({(source, name): numbers for name, numbers in spread.items()})
            signature = {
                **metric.signature(),
                "pictures": sources[source],
                **about,
                "interval": f"95 %, {count} resamples of stories" if count else None,
            }
            for name, value in values[source].items():
                ends = {
                    end: values[at].get(name) if at in values else None
                    for end, at in (("floor", bounds.floor_of(metric)), ("ceiling", bounds.ceiling_of(metric)))
                }
                low, high = interval(spread[name]) if name in spread else (None, None)
                rows.append(
                    {
                        "metric": name,
                        "of": source,
                        "value": value,
                        "low": low,
                        "high": high,
                        **ends,
                        "direction": metric.directions[name],
                        "way": _way(value, ends["floor"], ends["ceiling"], metric.directions[name]),
                        "signature": signature,
                    }
                )
            advance()
    order = list(dict.fromkeys(row["metric"] for row in rows))
    return sorted(rows, key=lambda row: order.index(row["metric"])), drawn


def _way(value: float, floor: float | None, ceiling: float | None, direction: Direction) -> float | None:
    if floor is None or ceiling is None or direction is None:
        return None
    better = ceiling > floor if direction == "up" else ceiling < floor
    return (value - floor) / (ceiling - floor) if better else None
