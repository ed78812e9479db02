"""Char-F1: who is drawn against who should be."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gst.batch import StoryBatch
from gst.kinds import Scorer
from gst_metrics.reading import about_scorer, drawn_characters, truth_of
from gst_metrics.selection import label, some_cells, some_frames
from gst_metrics.sums import SumMetric, ratios


class CharF1(SumMetric):
    """Micro-averaged F1 of the characters a classifier sees, in percent, with precision and recall; and the F1 of each
    character, where nothing restricts what is counted.

    2 TP / (2 TP + FP + FN) over all frames and characters: the "micro avg" row of scikit-learn's
    `classification_report`, which the field reports as Char-F1 (StoryViz, VLC-StoryGAN, StoryGPT-V).
    A character counts as drawn where its logit is above 0 (probability one half).

    Args:
        classifier: a trained classifier of the data set's cast.
        only: count some frames only: "first-frame", "new" (somebody is named for the first time in the story), a truth
            value of the data set such as "pronoun_only", or any of these as "not NAME".
        cells: count some characters of some frames only: "new" (named here for the first time in the story), or a truth
            value of each character, or "not NAME".
    """

    def __init__(self, *, classifier: Scorer, only: str | None = None, cells: str | None = None) -> None:
        super().__init__()
        self.classifier, self.only, self.cells = classifier, only, cells
        self.name = label("char-f1", only, cells)
        self._names = classifier.cast.names if only is None and cells is None else ()
        self.directions = dict.fromkeys(
            [self.name, *(f"{self.name}/{part}" for part in ("precision", "recall", *self._names))], "up"
        )

    def sums(self, batch: StoryBatch, frames: Tensor) -> Tensor:
        """True positives, drawn and meant, of each character: (B, 3 C)."""
        cast = self.classifier.cast
        drawn, meant = drawn_characters(self.classifier, frames), truth_of(batch, len(cast))
        counted = some_cells(batch, self.cells, cast) & some_frames(batch, self.only, cast)[:, :, None]
        parts = [drawn & meant & counted, drawn & counted, meant & counted]
        return torch.cat([part.sum(1) for part in parts], 1)

    def numbers(self, total: NDArray[np.float64]) -> dict[str, float]:
        hits, drawn, meant = total.reshape(3, -1)
        found = ratios(
            self.name,
            {
                "": (2 * hits.sum(), drawn.sum() + meant.sum()),
                "/precision": (hits.sum(), drawn.sum()),
                "/recall": (hits.sum(), meant.sum()),
            },
        )
        each = {n: (2 * hits[i], drawn[i] + meant[i]) for i, n in enumerate(self._names)}
        return {**found, **ratios(f"{self.name}/", each)}

    def signature(self) -> dict[str, Any]:
        return {
            "metric": "char-f1",
            "average": "micro",
            "threshold": 0.5,
            "only": self.only,
            "cells": self.cells,
            **about_scorer(self.classifier),
        }
