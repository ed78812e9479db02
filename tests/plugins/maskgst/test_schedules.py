from __future__ import annotations

import math
from typing import get_args

import pytest
import torch

from gst_maskgst.schedules import Schedule, latest, masked_count, masked_share

N = 64
FORMULAS = {
    "cosine": lambda r: math.cos(math.pi * r / 2),
    "linear": lambda r: 1 - r,
    "square": lambda r: 1 - r * r,
    "cubic": lambda r: 1 - r * r * r,
    "square-root": lambda r: 1 - math.sqrt(r),
    "exponential": lambda r: 1 - math.exp(-(1 - r) * math.log(N)),
    "logarithmic": lambda r: 1.0 if r < 1 / N else -math.log(r, N),
    "arccos": lambda r: math.acos(r) / (math.pi / 2),
}


def test_all_are_there() -> None:
    assert set(FORMULAS) == set(get_args(Schedule))


@pytest.mark.parametrize("schedule", FORMULAS)
def test_schedule_is_its_formula_and_falls_to_zero(schedule: Schedule) -> None:
    r = torch.linspace(0, 1, 201, dtype=torch.float64)
    share = masked_share(schedule, r, N)
    assert share.tolist() == pytest.approx([FORMULAS[schedule](float(x)) for x in r], abs=1e-12)
    assert (share.diff() <= 0).all()
    assert share[0] >= 1 - 1 / N
    assert share[-1] == pytest.approx(0, abs=1e-12)


def test_counts_are_rounded_up_but_not_by_float_error() -> None:
    # cos(pi/3) is 0.5000000000000001 in floating point, cos(pi/2) is 6e-17.
    third = masked_share("cosine", torch.tensor([2 / 3, 1.0]), N)
    assert masked_count(third, N).tolist() == [32, 0]
    assert masked_count(torch.tensor([0.001, 0.5, 0.501, 1.0], dtype=torch.float64), N).tolist() == [1, 32, 33, 64]


@pytest.mark.parametrize("schedule", FORMULAS)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_latest_is_where_the_share_is_reached(schedule: Schedule, share: float) -> None:
    r = latest(schedule, share, N)
    at, after = masked_share(schedule, torch.tensor([r, min(1.0, r + 1e-3)], dtype=torch.float64), N).tolist()
    assert at >= share - 1e-9
    assert r == pytest.approx(1) or after < share
