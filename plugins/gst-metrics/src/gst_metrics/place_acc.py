"""Place accuracy: frames drawn at the right place."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gst.batch import StoryBatch
from gst.kinds import Scorer
from gst_metrics.reading import about_scorer, answers, extra_of
from gst_metrics.selection import label, some_frames
from gst_metrics.sums import SumMetric, ratios


class PlaceAcc(SumMetric):
    """Share of frames that the classifier takes for the right place, in percent.

    Args:
        classifier: a classifier trained with `places`.
        only: count some frames only, as in `char-f1`: "not place_told" for frames whose caption does not tell it.
    """

    def __init__(self, *, classifier: Scorer, only: str | None = None) -> None:
        super().__init__()
        self.classifier, self.only = classifier, only
        self.name = label("place-acc", only)
        self.directions = {self.name: "up"}

    def sums(self, batch: StoryBatch, frames: Tensor) -> Tensor:
        """Frames that are right, and frames: (B, 2)."""
        right = answers(self.classifier, frames, "place").argmax(2) == extra_of(batch, "place")
        counted = some_frames(batch, self.only, self.classifier.cast)
        return torch.stack([(right & counted).sum(1), counted.sum(1)], 1)

    def numbers(self, total: NDArray[np.float64]) -> dict[str, float]:
        return ratios(self.name, {"": (total[0], total[1])})

    def signature(self) -> dict[str, Any]:
        return {"metric": "place-acc", "decision": "argmax", "only": self.only, **about_scorer(self.classifier)}
