"""A fixed random order a frame."""

from __future__ import annotations

from torch import Tensor

from gst.noise import Noise


def at_random(probability: Tensor, noise: Noise, step: int, weight: float) -> Tensor:
    """One random permutation a frame, the same at every step, whatever the model thinks.

    Keeps a young model from fixing the background first and painting the characters over.
    """
    return noise.uniform(tuple(probability.shape[2:]), step=0, name="order")
