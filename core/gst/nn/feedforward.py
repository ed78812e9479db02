"""The feed-forward part of a transformer layer."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from gst.nn.attention import as_autocast
from gst.nn.linear import Linear

Activation = Literal["gelu", "silu", "geglu"]


class FeedForward(nn.Module):
    """Two linear maps around GELU or SiLU, or GEGLU (Shazeer 2020) with two thirds of the width, so as many weights.

    Args:
        dim: width D.
        mult: hidden width over D; "geglu" has two thirds of it. Rounded to a multiple of 64 (or of 8, below 64), for
            the sake of matrix units.
        activation: which of the three; the ungated ones are faster for the same number of weights.
    """

    def __init__(self, dim: int, mult: float = 4.0, activation: Activation = "geglu") -> None:
        super().__init__()
        self.activation = activation
        gated = activation == "geglu"
        hidden = dim * mult * (2 / 3 if gated else 1)
        unit = 64 if hidden >= 64 else 8
        width = max(unit, round(hidden / unit) * unit)
        # Two matrices instead of one of double width: on a CPU, halves of one product are slow to multiply.
        self.gate = Linear(dim, width, bias=False) if gated else None
        self.up = Linear(dim, width, bias=False)
        self.down = Linear(width, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        if self.gate is not None:
            x = as_autocast(x)
            hidden = self.up(x) * functional.gelu(self.gate(x))
        else:
            hidden = self.up(x)
            hidden = functional.gelu(hidden) if self.activation == "gelu" else functional.silu(hidden)
        out: Tensor = self.down(hidden)
        return out
