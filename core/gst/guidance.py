"""Where guidance meets priors of all families: branches of one shape run in one pass, then are added by weight."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gst.condition import Condition
from gst.kinds.guidance import Branch, Guidance
from gst.kinds.prior import Prior


class Guided:
    """A prior under a guidance, for one batch of stories.

    `Prior.begin` runs once for every group of branches and its result is kept over the decoding steps; a branch whose
    weight is 0 is not computed.

    Args:
        prior: any prior; its predictions are tensors with a leading batch dimension.
        guidance: None for the condition as it is.
        condition: what the model is told.
    """

    def __init__(self, prior: Prior, guidance: Guidance | None, condition: Condition) -> None:
        self.prior, self.guidance = prior, guidance
        self.condition = condition if guidance is None else guidance.prepare(condition, prior.conditioner)
        self._states: dict[tuple[str, ...], Any] = {}

    def predict(self, x: Tensor, t: float, progress: float) -> Tensor:
        """The guided prediction for `x` at time `t`; shapes as in `Prior.predict`."""
        if self.guidance is None:
            return self._run([Branch("text", 1.0, self.condition)], x, t)[0]
        branches = [b for b in self.guidance.branches(self.condition, progress) if b.weight != 0.0]
        groups: dict[tuple[Any, ...], list[int]] = {}
        for i, branch in enumerate(branches):
            groups.setdefault(branch.condition.layout, []).append(i)
        predictions: dict[int, Tensor] = {}
        for members in groups.values():
            predictions.update(zip(members, self._run([branches[i] for i in members], x, t), strict=True))
        return self.guidance.combine([predictions[i] for i in range(len(branches))], [b.weight for b in branches])

    def first_state(self) -> Any:
        """The prior's state for the first branch, once something was predicted.

        Its group's other branches may share the state; the first branch's stories come first in it.
        """
        return next(iter(self._states.values()))

    def _run(self, group: list[Branch], x: Tensor, t: float) -> list[Tensor]:
        key = tuple(branch.name for branch in group)
        if key not in self._states:
            self._states[key] = self.prior.begin(Condition.stack([branch.condition for branch in group]))
        stacked = x if len(group) == 1 else torch.cat([x] * len(group))
        prediction, self._states[key] = self.prior.predict(self._states[key], stacked, t)
        return list(prediction.chunk(len(group)))
