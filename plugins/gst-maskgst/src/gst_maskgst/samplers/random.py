"""A random order."""

from __future__ import annotations

from gst.condition import Condition
from gst.kinds.prior import MaskedPrior
from gst.noise import Noise
from gst_maskgst.decoding import ParallelSampler, Ranking


class RandomOrder(ParallelSampler):
    """Tokens are fixed in one random order a frame, whatever the prior thinks of them.

    It keeps a young prior from fixing the background first and painting the characters over. It is also how masks are
    drawn in training, so that the prior sees in decoding what it has learned from.
    """

    def ranking(self, prior: MaskedPrior, condition: Condition, noise: Noise) -> Ranking:
        order = noise.uniform((prior.latents.tokens,), step=0, name="order")
        return lambda drawn: order
