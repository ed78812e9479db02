"""The feed-forward part of a transformer layer."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

Activation = Literal["gelu", "geglu"]


class FeedForward(nn.Module):
    """Two linear maps around GELU, or GEGLU (Shazeer 2020) with two thirds of the width, so with as many weights.

    Args:
        dim: width D.
        mult: hidden width over D for "gelu"; "geglu" has two thirds of it, rounded to a multiple of 64 (or of 8, below
            64), for the sake of matrix units.
        activation: which of the two.
    """

    def __init__(self, dim: int, mult: float = 4.0, activation: Activation = "geglu") -> None:
        super().__init__()
        self.gated = activation == "geglu"
        hidden = dim * mult * (2 / 3 if self.gated else 1)
        unit = 64 if hidden >= 64 else 8
        width = max(unit, round(hidden / unit) * unit)
        self.up = nn.Linear(dim, width * (2 if self.gated else 1), bias=False)
        self.down = nn.Linear(width, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        hidden = self.up(x)
        if self.gated:
            value, gate = hidden.chunk(2, -1)
            hidden = value * functional.gelu(gate)
        else:
            hidden = functional.gelu(hidden)
        out: Tensor = self.down(hidden)
        return out
