"""Mask schedules: how large a share of a frame's tokens is masked at time r.

Every schedule falls from 1 at r = 0 (exponential: 1 - 1/N) to 0 at r = 1. Training draws r uniformly, decoding walks
through it. Formulas: MaskGIT (Chang et al. 2022, section 3.4) and its code, N being the tokens of a frame; arccos is
that of the Halton scheduler (Besnier et al. 2025):

| name | gamma(r) |
|---|---|
| cosine | cos(pi r / 2) |
| linear | 1 - r |
| square | 1 - r^2 |
| cubic | 1 - r^3 |
| square-root | 1 - sqrt(r) |
| exponential | 1 - N^-(1 - r) |
| logarithmic | -log(r) / log(N), at most 1 |
| arccos | 2 arccos(r) / pi |
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

Schedule = Literal["cosine", "linear", "square", "cubic", "square-root", "exponential", "logarithmic", "arccos"]

_GAMMAS: dict[str, Callable[[Tensor, int], Tensor]] = {
    "cosine": lambda r, n: torch.cos(r * (math.pi / 2)),
    "linear": lambda r, n: 1 - r,
    "square": lambda r, n: 1 - r**2,
    "cubic": lambda r, n: 1 - r**3,
    "square-root": lambda r, n: 1 - r.sqrt(),
    "exponential": lambda r, n: 1 - float(n) ** -(1 - r),
    "logarithmic": lambda r, n: -torch.log(r) / math.log(max(n, 2)),
    "arccos": lambda r, n: torch.arccos(r) * (2 / math.pi),
}

# Keeps rounding errors such as cos(pi/3) = 0.5000000000000001 from counting as one more token.
_ROUNDING = 1e-6


def masked_share(schedule: Schedule, r: Tensor, tokens: int) -> Tensor:
    """gamma(r) in [0, 1], float64, for r in [0, 1] of any shape and frames of `tokens` tokens."""
    return _GAMMAS[schedule](r.double(), tokens).clamp(0.0, 1.0)


def masked_count(share: Tensor, tokens: Tensor | int) -> Tensor:
    """ceil(share * tokens), int64."""
    return torch.ceil(share * tokens - _ROUNDING).clamp_min(0).long()


def latest(schedule: Schedule, share: float, tokens: int) -> float:
    """The largest r at which at least `share` of the tokens is masked; by bisection, since all schedules fall."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        if float(masked_share(schedule, torch.tensor(middle, dtype=torch.float64, device="cpu"), tokens)) >= share:
            low = middle
        else:
            high = middle
    return low
