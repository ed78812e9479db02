"""The most confident tokens first."""

from __future__ import annotations

from torch import Tensor

from gst.noise import Noise


def by_confidence(probability: Tensor, noise: Noise, step: int, weight: float) -> Tensor:
    """log p + weight * Gumbel noise (MaskGIT's code; `weight` falls to 0 over the steps there)."""
    confidence = probability.clamp_min(1e-20).log()
    if not weight:
        return confidence
    return confidence + weight * noise.gumbel(tuple(probability.shape[2:]), step=step, name="confidence")
