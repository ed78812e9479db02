"""Confidence on its linear scale, with linear noise."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from gst.condition import Condition
from gst.kinds.prior import MaskedPrior
from gst.noise import Noise
from gst_maskgst.decoding import Drawn, ParallelSampler, Ranking
from gst_maskgst.ranges import NotNegative


class LinearNoise(ParallelSampler):
    """The most confident tokens stay; confidence and its noise are both on the linear scale.

    Tokens are ranked as p + w (1 - (k + 1) / K) (u - 1/2): the probability itself, and uniform noise, u on [0, 1). So
    muse-maskgit-pytorch and phenaki-pytorch put noise on a critic's score; here it is on the confidence. Sampler
    `maskgit` ranks log p plus Gumbel noise (Google's code): there tokens of 0.02 and 0.002 are as far apart as 1 and
    0.1, and the noise has no bound; here they are as good as equal, and at w up to 1 no token of probability 1 is
    masked before one of 0. Both weights fall linearly: "linear" in valeoai's code means that, and is `maskgit`.

    Args:
        confidence_noise: w, the width of the noise, falling linearly to 0 at the last step.
    """

    def __init__(self, *, confidence_noise: NotNegative = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.confidence_noise = confidence_noise

    def ranking(self, prior: MaskedPrior, condition: Condition, noise: Noise) -> Ranking:
        def noisy(drawn: Drawn) -> Tensor:
            uniform = noise.uniform((prior.latents.tokens,), step=drawn.step, name="confidence")
            return drawn.probability() + self.confidence_noise * drawn.left * (uniform - 0.5)

        return noisy
