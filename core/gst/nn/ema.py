"""Exponential moving average of weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class EMA:
    """A running average of a model's trained parameters.

    After update n (from 1) the average is a <- d a + (1 - d) w with d = min(decay, n / (n + 10)): the average forgets
    the random start of a short training, and is the plain one later. Buffers are not averaged; the model's own are
    used.

    Args:
        parameters: the parameters by name, as they are trained.
        decay: weight of the past, in (0, 1).
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self._live = dict(parameters)
        self.average: dict[str, Tensor] = {name: p.detach().clone() for name, p in self._live.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take the present weights in."""
        self.updates += 1
        weight = 1.0 - min(self.decay, self.updates / (self.updates + 10))
        torch._foreach_lerp_(list(self.average.values()), [p.detach() for p in self._live.values()], weight)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within it the model has the averaged weights."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def copy_to_model(self) -> None:
        """Give the model the averaged weights for good."""
        for name, parameter in self._live.items():
            parameter.copy_(self.average[name])

    def _swap(self) -> None:
        for name, parameter in self._live.items():
            parameter.data, self.average[name] = self.average[name], parameter.data
