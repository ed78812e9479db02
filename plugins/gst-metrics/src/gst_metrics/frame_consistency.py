"""Frame consistency: how alike neighbouring frames are."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from gst.batch import StoryBatch
from gst.kinds import Scorer
from gst_metrics.reading import about_scorer
from gst_metrics.sums import SumMetric


class FrameConsistency(SumMetric):
    """Mean cosine of the classifier's features of each frame and the next one of its story.

    Neither more nor less is better: five times the same frame gives 1. Read it beside the value of the real frames.

    Args:
        classifier: a trained classifier; its "features" are used.
    """

    directions = {"frame-consistency": None}  # noqa: RUF012
    floor = None
    ceiling = False

    def __init__(self, *, classifier: Scorer) -> None:
        super().__init__()
        self.classifier = classifier

    def sums(self, batch: StoryBatch, frames: Tensor) -> Tensor:
        """Cosines, and pairs of frames: (B, 2)."""
        features = self.classifier.read(frames)["features"].double()
        pairs = batch.frame_mask[:, 1:] & batch.frame_mask[:, :-1]
        cosines = F.cosine_similarity(features[:, 1:], features[:, :-1], dim=2)
        return torch.stack([(cosines * pairs).sum(1), pairs.sum(1)], 1)

    def numbers(self, total: NDArray[np.float64]) -> dict[str, float]:
        return {"frame-consistency": float(total[0] / total[1])} if total[1] > 0 else {}

    def signature(self) -> dict[str, Any]:
        return {"metric": "frame-consistency", "similarity": "cosine", **about_scorer(self.classifier)}
