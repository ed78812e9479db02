"""Drawing ids from logits."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def choose(logits: Tensor, uniform: Tensor, *, temperature: float, top_k: float, top_p: float) -> Tensor:
    """Draw one id a position, by inverting the cumulative distribution at `uniform`: one random number a token.

    Args:
        logits: (..., K).
        uniform: (...), in [0, 1).
        temperature: divides the logits; 0 takes the likeliest id.
        top_k: share of the K ids that may be drawn, rounded up.
        top_p: the likeliest ids that together hold this probability may be drawn; always at least one.

    Returns:
        int64 (...).
    """
    if temperature == 0:
        return logits.argmax(-1)
    logits = logits.float() / temperature
    if top_k < 1:
        kept = max(1, math.ceil(top_k * logits.shape[-1] - 1e-6))
        logits = logits.masked_fill(logits < logits.topk(kept, -1).values[..., -1:], -torch.inf)
    if top_p < 1:
        ordered, ids = logits.softmax(-1).sort(dim=-1, descending=True, stable=True)
        outside = ordered.cumsum(-1) - ordered >= top_p
        logits = logits.masked_fill(torch.zeros_like(outside).scatter(-1, ids, outside), -torch.inf)
    # In float64, so that rounding cannot carry the target past the last id that may be drawn.
    cumulative = logits.softmax(-1).double().cumsum(-1)
    target = uniform.double() * cumulative[..., -1]
    return torch.searchsorted(cumulative, target[..., None], right=True)[..., 0]
