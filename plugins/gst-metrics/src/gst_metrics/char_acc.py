"""Char-Acc: frames where everybody is right."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gst.batch import StoryBatch
from gst.kinds import Scorer
from gst_metrics.reading import about_scorer, drawn_characters, truth_of
from gst_metrics.selection import label, some_frames
from gst_metrics.sums import SumMetric, ratios


class CharAcc(SumMetric):
    """Share of frames whose characters are all right, nobody missing and nobody too many, in percent.

    scikit-learn's `accuracy_score` on label vectors ("frame accuracy" or "image exact match" in StoryViz,
    VLC-StoryGAN).

    Args:
        classifier: a trained classifier of the data set's cast.
        only: count some frames only, as in `char-f1`.
    """

    def __init__(self, *, classifier: Scorer, only: str | None = None) -> None:
        super().__init__()
        self.classifier, self.only = classifier, only
        self.name = label("char-acc", only)
        self.directions = {self.name: "up"}

    def sums(self, batch: StoryBatch, frames: Tensor) -> Tensor:
        """Frames that are right, and frames: (B, 2)."""
        cast = self.classifier.cast
        right = (drawn_characters(self.classifier, frames) == truth_of(batch, len(cast))).all(2)
        counted = some_frames(batch, self.only, cast)
        return torch.stack([(right & counted).sum(1), counted.sum(1)], 1)

    def numbers(self, total: NDArray[np.float64]) -> dict[str, float]:
        return ratios(self.name, {"": (total[0], total[1])})

    def signature(self) -> dict[str, Any]:
        return {"metric": "char-acc", "threshold": 0.5, "only": self.only, **about_scorer(self.classifier)}
