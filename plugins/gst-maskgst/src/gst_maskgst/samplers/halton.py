"""The Halton order: places far from each other first."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch

from gst.condition import Condition
from gst.kinds.prior import MaskedPrior
from gst.noise import Noise
from gst_maskgst.decoding import ParallelSampler, Ranking
from gst_maskgst.schedules import Schedule


class Halton(ParallelSampler):
    """Tokens are fixed in an order that spreads over the frame (the Halton scheduler, Besnier et al. 2025).

    What is drawn in one step is drawn independently, and places far from each other depend on each other least. The
    points of the Halton sequence, base 2 down the rows and base 3 across the columns, give the order of the places:
    each comes when the first point falls into it (`halton_order`). There is no confidence and no noise on it.

    Args:
        schedule: gamma; the paper's is arccos.
        random_start: each frame begins somewhere in the sequence and goes round (the authors' code: `randomize`); else
            every frame has the same order.
    """

    def __init__(self, *, schedule: Schedule = "arccos", random_start: bool = True, **options: Any) -> None:
        super().__init__(schedule=schedule, **options)
        self.random_start = random_start

    def ranking(self, prior: MaskedPrior, condition: Condition, noise: Noise) -> Ranking:
        tokens = prior.latents.tokens
        turn = torch.tensor(halton_order(*prior.latents.grid), device=condition.frame_mask.device).argsort()
        first = noise.uniform((1,), step=0, name="start").mul(tokens).long() if self.random_start else 0
        sooner = -((turn - first) % tokens).float()
        return lambda drawn: sooner


@cache
def halton_order(rows: int, columns: int) -> tuple[int, ...]:
    """The places of a grid, numbered row by row, in the order in which the points of the Halton sequence reach them.

    Point n = 1, 2, ... lies at (phi_2(n) rows, phi_3(n) columns), phi_b(n) being the digits of n in base b mirrored at
    the point. Points in a place that was reached before are passed over.
    """
    order: dict[int, None] = {}
    n = 0
    while len(order) < rows * columns:
        n += 1
        order[_mirrored(n, 2, rows) * columns + _mirrored(n, 3, columns)] = None
    return tuple(order)


def _mirrored(n: int, base: int, cells: int) -> int:
    """The cell that phi_base(n) falls into, of `cells` in [0, 1); in whole numbers, so that no rounding moves it."""
    above, below = 0, 1
    while n:
        n, digit = divmod(n, base)
        above, below = above * base + digit, below * base
    return above * cells // below
