"""Metrics that are functions of sums over stories."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from gst.batch import StoryBatch
from gst.errors import DataError
from gst.kinds import Metric


class SumMetric(Metric):
    """A metric whose numbers follow from one sum over stories: a row holds what a story adds to it."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._rows: list[NDArray[np.float64]] = []

    @abstractmethod
    def sums(self, batch: StoryBatch, frames: Tensor) -> Tensor:
        """What each of the B stories adds: (B, K)."""

    @abstractmethod
    def numbers(self, total: NDArray[np.float64]) -> dict[str, float]:
        """The numbers that follow from the sum (K,). A number that is not defined (0 / 0) is left out."""

    def update(self, batch: StoryBatch, frames: Tensor) -> None:
        self._rows.append(self.sums(batch, frames).double().cpu().numpy())

    def compute(self, rows: Sequence[int] | NDArray[np.int64] | None = None) -> dict[str, float]:
        if not self._rows:
            raise DataError(f"metric '{self.use}' was given no story")
        if len(self._rows) > 1:
            self._rows = [np.concatenate(self._rows)]
        table = self._rows[0]
        if rows is None:
            return self.numbers(table.sum(0))
        return self.numbers(np.bincount(np.asarray(rows), minlength=len(table)) @ table)


def ratios(prefix: str, parts: dict[str, tuple[float, float]]) -> dict[str, float]:
    """{name: (part, whole)} -> percentages named `prefix` + name; 0 / 0 is left out."""
    return {f"{prefix}{name}": 100.0 * float(part / whole) for name, (part, whole) in parts.items() if whole > 0}
