"""fid-clf: the Fréchet distance on a classifier's features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from gst.batch import StoryBatch
from gst.errors import DataError
from gst.kinds import Metric, Scorer
from gst_metrics.frechet import Normal, frechet_distance
from gst_metrics.reading import about_scorer


class FidClf(Metric):
    """Fréchet distance between drawn and real frames of the same stories, on the pooled features of a classifier.

    The formula of FID on other features: the numbers compare with each other under one classifier, and with no FID of
    any paper. It grows where frames are few, so compare equal counts only. The floor is that of pictures drawn token by
    token from per-position frequencies.

    Args:
        classifier: a trained classifier; its "features" are used.
        bootstrap: resamples for its interval; each costs two eigenvalue problems of the features' width.
    """

    directions = {"fid-clf": "down"}  # noqa: RUF012
    floor = "unigram"
    biased = True

    def __init__(self, *, classifier: Scorer, bootstrap: int = 100) -> None:
        self.classifier, self.bootstrap = classifier, bootstrap
        self.reset()

    def reset(self) -> None:
        self._drawn: list[NDArray[np.float64]] = []
        self._real: list[NDArray[np.float64]] = []
        self._counts: list[int] = []

    def update(self, batch: StoryBatch, frames: Tensor) -> None:
        if batch.frames is None:
            raise DataError("fid-clf compares with real frames; this data has none")
        valid = batch.frame_mask
        for kept, pictures in ((self._drawn, frames), (self._real, batch.frames)):
            kept.append(self.classifier.read(pictures)["features"][valid].double().cpu().numpy())
        self._counts += valid.sum(1).tolist()

    def compute(self, rows: Sequence[int] | NDArray[np.int64] | None = None) -> dict[str, float]:
        if sum(self._counts) < 2:
            raise DataError("fid-clf needs two frames at least")
        if len(self._drawn) > 1:
            self._drawn, self._real = [np.concatenate(self._drawn)], [np.concatenate(self._real)]
        times = None
        if rows is not None:
            stories = np.bincount(np.asarray(rows), minlength=len(self._counts))
            times = np.repeat(stories, self._counts).astype(np.float64)
        return {"fid-clf": frechet_distance(Normal.of(self._drawn[0], times), Normal.of(self._real[0], times))}

    def signature(self) -> dict[str, Any]:
        return {
            "metric": "fid-clf",
            "features": "mean-pooled, float64 moments",
            "reference": "real frames of the same stories",
            **about_scorer(self.classifier),
        }
