"""Position accuracy: characters drawn where they should stand."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gst.batch import StoryBatch
from gst.kinds import Scorer
from gst_metrics.reading import about_scorer, answers, extra_of, truth_of
from gst_metrics.selection import label, some_cells, some_frames
from gst_metrics.sums import SumMetric, ratios


class PositionAcc(SumMetric):
    """Share of the characters that should be in a frame which the classifier sees at the right position, in percent.

    A character that is not drawn at all is wrong too.

    Args:
        classifier: a classifier trained with `positions`.
        only: count some frames only, as in `char-f1`.
        cells: count some characters of some frames only, such as "position_told", as in `char-f1`.
    """

    def __init__(self, *, classifier: Scorer, only: str | None = None, cells: str | None = None) -> None:
        super().__init__()
        self.classifier, self.only, self.cells = classifier, only, cells
        self.name = label("position-acc", only, cells)
        self.directions = {self.name: "up"}

    def sums(self, batch: StoryBatch, frames: Tensor) -> Tensor:
        """Characters that are right, and characters: (B, 2)."""
        cast = self.classifier.cast
        right = answers(self.classifier, frames, "position").argmax(3) == extra_of(batch, "position") + 1
        counted = truth_of(batch, len(cast)) & some_cells(batch, self.cells, cast)
        counted = counted & some_frames(batch, self.only, cast)[:, :, None]
        return torch.stack([(right & counted).sum((1, 2)), counted.sum((1, 2))], 1)

    def numbers(self, total: NDArray[np.float64]) -> dict[str, float]:
        return ratios(self.name, {"": (total[0], total[1])})

    def signature(self) -> dict[str, Any]:
        return {
            "metric": "position-acc",
            "decision": "argmax",
            "only": self.only,
            "cells": self.cells,
            **about_scorer(self.classifier),
        }
