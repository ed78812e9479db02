"""Means of what is logged, over the steps since the last line of the log."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from torch import Tensor


class Window:
    """Sums of scalars by name. Tensors are not read before `mean`, so that the device need not be waited for."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor | float] = {}
        self._counts: dict[str, int] = {}
        self.examples = 0
        self._since = time.perf_counter()

    def add(self, scalars: Mapping[str, Tensor | float]) -> None:
        for name, value in scalars.items():
            value = value.detach().float() if isinstance(value, Tensor) else value
            self._sums[name] = self._sums.get(name, 0.0) + value
            self._counts[name] = self._counts.get(name, 0) + 1

    def mean(self) -> dict[str, float]:
        """The means, and how many examples a second went by."""
        means = {name: float(total) / self._counts[name] for name, total in self._sums.items()}
        return {**means, "examples_per_second": self.examples / max(time.perf_counter() - self._since, 1e-9)}

    def state(self) -> dict[str, Any]:
        """For checkpoints, so that a resumed run logs the same means."""
        return {
            "sums": {name: float(total) for name, total in self._sums.items()},
            "counts": self._counts,
            "examples": self.examples,
            "seconds": time.perf_counter() - self._since,
        }

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Window:
        window = cls()
        window._sums, window._counts = dict(state["sums"]), dict(state["counts"])
        window.examples, window._since = state["examples"], time.perf_counter() - state["seconds"]
        return window
