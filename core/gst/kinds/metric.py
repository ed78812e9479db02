"""Metrics: numbers about generated stories, each with its signature."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from gst.batch import StoryBatch
from gst.component import Component

Direction = Literal["up", "down"] | None


class Metric(Component):
    """Collects one row of statistics a story and turns any choice of rows into numbers.

    Rows make bootstrap intervals over stories possible without looking at a picture twice.

    Attributes:
        directions: for every number it gives, "up" (more is better), "down", or None.
        floor: what a model that ignores the captions would be scored on: "shuffled" (the real frames of another
            story), "unigram" (pictures drawn token by token from per-position frequencies), or None.
        ceiling: whether the tokenizer's reconstructions bound it.
        bootstrap: resamples for its intervals, where fewer than the step asks for are enough; None takes the step's.
        biased: whether a resample gives a worse number than the stories themselves because it holds fewer different
            ones (distances between distributions). Its interval is then moved back by that bias.
    """

    kind: ClassVar[str] = "metric"
    directions: dict[str, Direction]
    floor: Literal["shuffled", "unigram"] | None = "shuffled"
    ceiling: bool = True
    bootstrap: int | None = None
    biased: bool = False

    @abstractmethod
    def reset(self) -> None:
        """Forget all rows. It binds new containers, so that a shallow copy that is reset collects rows of its own."""

    @abstractmethod
    def update(self, batch: StoryBatch, frames: Tensor) -> None:
        """Add the stories of `batch` (real frames, truths) and `frames` (B, T, 3, H, W) in [-1, 1], drawn for them."""

    @abstractmethod
    def compute(self, rows: Sequence[int] | NDArray[np.int64] | None = None) -> dict[str, float]:
        """The numbers over the stories at `rows` (repeats count as often), or over all of them.

        A number that is not defined there (nobody of that name in any frame) is left out.
        """

    @abstractmethod
    def signature(self) -> dict[str, Any]:
        """All that decides the numbers besides the pictures: extractor and its weights' hash, resize, threshold, ..."""
