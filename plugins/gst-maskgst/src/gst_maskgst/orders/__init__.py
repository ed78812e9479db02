"""In which order the sampler fixes tokens. An order is a file; add it to `ORDERS`."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from gst.noise import Noise
from gst_maskgst.orders.confidence import by_confidence
from gst_maskgst.orders.random import at_random

# (probabilities of the chosen tokens (B, T, N), noise, step, weight of the confidence noise) -> (B, T, N): the tokens
# with the lowest values are masked again.
Order = Callable[[Tensor, Noise, int, float], Tensor]

ORDERS: dict[str, Order] = {"confidence": by_confidence, "random": at_random}
