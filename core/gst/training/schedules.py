"""Learning-rate schedules: a factor on every learning rate as a function of the training step alone."""

from __future__ import annotations

import math
from typing import Literal

Schedule = Literal["constant", "cosine", "linear"]


def factor(schedule: Schedule, step: int, steps: int, warmup: int = 0, end: float = 0.0) -> float:
    """The factor at `step` (from 0) of `steps`.

    It rises linearly to 1 over the first `warmup` steps, (step + 1) / warmup. Then, with u the share of the remaining
    steps that is over: "constant" stays at 1, "linear" is 1 - u (1 - end), "cosine" is
    end + (1 - end)(1 + cos(pi u)) / 2 (Loshchilov & Hutter 2017, eq. 5, one cycle).
    """
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    if schedule == "constant":
        return 1.0
    if schedule == "linear":
        return 1.0 - done * (1.0 - end)
    return end + (1.0 - end) * (1.0 + math.cos(math.pi * done)) / 2.0
