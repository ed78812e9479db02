"""How sure a number is: percentile intervals over resampled stories."""

from __future__ import annotations

import numpy as np

from gst.kinds.metric import Metric

LEVEL = 0.95


def intervals(metric: Metric, stories: int, resamples: int, seed: int) -> dict[str, tuple[float, float]]:
    """95 % bootstrap intervals of a metric's numbers over its rows (Efron & Tibshirani 1993, ch. 13).

    Stories are drawn with replacement, as a whole: frames of one story depend on each other. The draws are a function
    of (seed, stories) alone, so all metrics and all pictures of one evaluation are resampled alike.

    For a metric that says it is `biased`, a resample scores worse than the stories themselves; the percentiles are
    moved by that bias, the difference between the mean over resamples and the number.

    Args:
        metric: with its rows.
        stories: how many rows it has.
        resamples: how many resamples; 0 gives no intervals.
        seed: of the draws.

    Returns:
        name -> (low, high), for every number that is defined in some resample.
    """
    random = np.random.Generator(np.random.Philox(seed))
    values: dict[str, list[float]] = {}
    for _ in range(resamples):
        rows = random.integers(0, stories, stories)
        for name, value in metric.compute(rows).items():
            values.setdefault(name, []).append(value)
    exact = metric.compute() if metric.biased and resamples else {}
    tail = (1 - LEVEL) / 2
    found = {}
    for name, resampled in values.items():
        low, high = np.quantile(resampled, [tail, 1 - tail])
        bias = np.mean(resampled) - exact[name] if name in exact else 0.0
        found[name] = (float(low - bias), float(high - bias))
    return found
