"""MaskGIT: parallel decoding of masked tokens."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from gst.condition import Condition
from gst.errors import UsageError
from gst.guidance import Guided
from gst.kinds.guidance import Guidance
from gst.kinds.prior import Family, MaskedPrior, Prior
from gst.kinds.sampler import Sampler
from gst.latents import Latents
from gst.noise import Noise
from gst_maskgst.choose import choose
from gst_maskgst.orders import ORDERS
from gst_maskgst.ranges import Count, NotNegative, SomeShare
from gst_maskgst.schedules import Schedule, masked_count, masked_share


class MaskGit(Sampler):
    """Draws all tokens at once and masks the least sure of them again, step by step (MaskGIT, Chang et al. 2022).

    Step k of K: predict; draw every masked token from its distribution; mask ceil(gamma((k + 1) / K) n) again, n being
    the tokens to be drawn in the frame. Every step fixes at least one token, and the last one all; with more steps
    than tokens it ends early.

    Args:
        steps: K, passes through the prior at most (8 to 12 in MaskGIT, 18 to 20 in MaskGST).
        schedule: gamma.
        temperature: of the distribution that tokens are drawn from; 0 takes the likeliest.
        temperature_annealing: "linear" multiplies the temperature by the share of steps that are left.
        top_k: share of the vocabulary that may be drawn, the likeliest ids (MaskGST's code: 0.1).
        top_p: draw from the likeliest ids that hold this share of the probability.
        order: which tokens stay. "confidence": those with the highest probability under the unfiltered prediction;
            "random": one random permutation a frame.
        confidence_noise: weight of Gumbel noise on the logarithm of the confidence, falling linearly to 0 at the last
            step (Google's choice_temperature, 4.5). Without it the easy background is fixed first and characters get
            lost.
        remask: tokens drawn earlier compete with the new ones and may be masked again.
        guidance: how the prediction is guided.
    """

    families: ClassVar[tuple[Family, ...]] = ("masked",)

    def __init__(
        self,
        *,
        steps: Count = 20,
        schedule: Schedule = "cosine",
        temperature: NotNegative = 1.0,
        temperature_annealing: Literal["none", "linear"] = "none",
        top_k: SomeShare = 1.0,
        top_p: SomeShare = 1.0,
        order: Literal["confidence", "random"] = "confidence",
        confidence_noise: NotNegative = 4.5,
        remask: bool = False,
        guidance: Guidance | None = None,
    ) -> None:
        self.steps, self.schedule, self.guidance = steps, schedule, guidance
        self.temperature, self.annealed = temperature, temperature_annealing == "linear"
        self.top_k, self.top_p = top_k, top_p
        self.order, self.confidence_noise, self.remask = ORDERS[order], confidence_noise, remask

    @torch.no_grad()
    def sample(
        self,
        prior: Prior,
        condition: Condition,
        noise: Noise,
        *,
        known: Latents | None = None,
        keep: Tensor | None = None,
    ) -> Latents:
        if not isinstance(prior, MaskedPrior):
            raise UsageError(f"sampler 'maskgit' draws from masked priors; '{prior.use}' is {prior.family}")
        spec, mask_id = prior.latents, prior.mask_id
        shape = (condition.batch, condition.frames, *spec.grid)
        x = torch.full(shape, mask_id, device=condition.frame_mask.device)
        if known is not None and keep is not None:
            x = torch.where(keep, known.data, x)
        x = x.flatten(2)
        given = x != mask_id
        unknown = (~given).sum(-1, keepdim=True)
        guided = Guided(prior, self.guidance, condition)
        times = torch.linspace(0, 1, self.steps + 1, dtype=torch.float64)
        shares = masked_share(self.schedule, times, spec.tokens)
        for step in range(self.steps):
            masked = x == mask_id
            left = (self.steps - step) / self.steps
            logits = guided.predict(x.view(shape), 1.0 if step == 0 else float(shares[step]), self._progress(step))
            logits = logits.flatten(2, 3)
            tokens = choose(
                logits,
                noise.uniform((spec.tokens,), step=step, name="token"),
                temperature=self.temperature * (left if self.annealed else 1.0),
                top_k=self.top_k,
                top_p=self.top_p,
            )
            x = torch.where(masked, tokens, x)
            again = masked_count(shares[step + 1].to(x.device), unknown) if step + 1 < self.steps else 0 * unknown
            again = torch.minimum(again, masked.sum(-1, keepdim=True) - 1).clamp_min(0)
            probability = logits.softmax(-1).gather(-1, x[..., None])[..., 0]
            weight = self.confidence_noise * (1 - (step + 1) / self.steps)
            sureness = self.order(probability, noise, step, weight)
            sureness = sureness.masked_fill(given if self.remask else ~masked, torch.inf)
            # By rank, so that ties cannot mask more tokens than are meant to be.
            x = x.masked_fill(sureness.argsort(dim=-1, stable=True).argsort(dim=-1) < again, mask_id)
            if not bool(again.any()):
                break
        return Latents(x.view(shape), spec)

    def _progress(self, step: int) -> float:
        return step / max(1, self.steps - 1)
