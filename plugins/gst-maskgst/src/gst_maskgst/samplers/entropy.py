"""The least entropy first."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gst.condition import Condition
from gst.kinds.prior import MaskedPrior
from gst.noise import Noise
from gst_maskgst.decoding import Drawn, ParallelSampler, Ranking
from gst_maskgst.ranges import NotNegative


class EntropyOrder(ParallelSampler):
    """Tokens stay where the prediction's distribution has the least entropy.

    It ranks places, whatever is drawn there, where confidence ranks drawn tokens: an unlikely id at a sure place stays.
    This is `alg: entropy` of Dream 7B (Ye et al. 2025) and the order of entropy-bounded unmasking (Ben-Hamu et al.
    2025), with the number of tokens from the schedule. Places are ranked as -H + w (1 - (k + 1) / K) g, with the
    entropy H of the unfiltered prediction in nats and standard Gumbel noise g.

    Args:
        entropy_noise: w, the weight of Gumbel noise on the entropy, falling linearly to 0 at the last step (Dream's
            alg_temp, which does not fall).
    """

    def __init__(self, *, entropy_noise: NotNegative = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.entropy_noise = entropy_noise

    def ranking(self, prior: MaskedPrior, condition: Condition, noise: Noise) -> Ranking:
        def certainty(drawn: Drawn) -> Tensor:
            # entr(0) is 0, where 0 log 0 would be NaN: ids that may not be drawn.
            certain = -torch.special.entr(drawn.logits.softmax(-1)).sum(-1)
            weight = self.entropy_noise * drawn.left
            if not weight:
                return certain
            return certain + weight * noise.gumbel((prior.latents.tokens,), step=drawn.step, name="entropy")

        return certainty
