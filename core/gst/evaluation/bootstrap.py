"""How sure a number is: percentile intervals over resampled stories."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gst.evaluation.resamples import draws, interval
from gst.kinds.metric import Metric


def resampled(metric: Metric, stories: int, resamples: int, seed: int) -> dict[str, NDArray[np.float64]]:
    """A metric's numbers over resampled rows (Efron & Tibshirani 1993, ch. 13).

    Stories are drawn with replacement, as a whole: frames of one story depend on each other. The draws are a function
    of (seed, stories) alone, so all metrics and all pictures of one evaluation are resampled alike.

    For a metric that says it is `biased`, a resample scores worse than the stories themselves; its numbers are
    moved by that bias, the difference between their mean over resamples and the number.

    Args:
        metric: with its rows.
        stories: how many rows it has.
        resamples: how many resamples; 0 gives nothing.
        seed: of the draws.

    Returns:
        name -> (resamples,), NaN where the number is not defined; without those that are defined nowhere.
    """
    found: dict[str, NDArray[np.float64]] = {}
    for index, rows in enumerate(draws(stories, resamples, seed)):
        for name, value in metric.compute(rows).items():
            found.setdefault(name, np.full(resamples, np.nan))[index] = value
    exact = metric.compute() if metric.biased and resamples else {}
    bias = {name: np.nanmean(found[name]) - exact[name] for name in found.keys() & exact.keys()}
    return {name: values - bias.get(name, 0.0) for name, values in found.items()}


def intervals(metric: Metric, stories: int, resamples: int, seed: int) -> dict[str, tuple[float, float]]:
    """name -> 95 % bootstrap interval (low, high), for every number that is defined in some resample."""
    return {name: interval(values) for name, values in resampled(metric, stories, resamples, seed).items()}
