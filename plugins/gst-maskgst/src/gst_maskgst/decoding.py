"""Parallel decoding: the loop that all samplers of masked priors share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from gst.condition import Condition
from gst.errors import TrainingError, UsageError
from gst.guidance import Guided
from gst.kinds.guidance import Guidance
from gst.kinds.prior import Family, MaskedPrior, Prior
from gst.kinds.sampler import Sampler
from gst.latents import Latents, LatentSpec
from gst.noise import Noise
from gst_maskgst.choose import choose
from gst_maskgst.ranges import Count, NotNegative, SomeShare
from gst_maskgst.schedules import Schedule, masked_count, masked_share

Annealing = Literal["none", "linear"]


@dataclass(frozen=True)
class Drawn:
    """A decoding step when every masked token is drawn, and none is masked again yet.

    Args:
        step: k, from 0.
        steps: K.
        ids: int64 (B, T, N).
        logits: (B, T, N, vocab) that they were drawn from; neither filtered nor divided by a temperature.
    """

    step: int
    steps: int
    ids: Tensor
    logits: Tensor

    @property
    def left(self) -> float:
        """The share of steps that are left, 1 - (k + 1) / K: falls linearly to 0 at the last step."""
        return 1 - (self.step + 1) / self.steps

    def probability(self) -> Tensor:
        """Of each drawn id, (B, T, N)."""
        return self.logits.softmax(-1).gather(-1, self.ids[..., None])[..., 0]


Ranking = Callable[[Drawn], Tensor]
"""(B, T, N), or what broadcasts to it: of a frame's tokens, those with the lowest values are masked again."""


class ParallelSampler(Sampler):
    """Draws all tokens at once and masks some of them again, step by step (MaskGIT, Chang et al. 2022).

    Step k of K: predict; draw every masked token from its distribution; mask ceil(gamma((k + 1) / K) n) again, n being
    the tokens to be drawn in the frame. Every step fixes at least one token, and the last one all; with more steps
    than tokens it ends early. Tokens that are given stay as they are, and padding frames get id 0.

    A sampler says which tokens are masked again: `ranking`.

    Args:
        steps: K, passes through the prior at most (8 to 12 in MaskGIT, 18 to 20 in MaskGST).
        schedule: gamma.
        temperature: of the distribution that tokens are drawn from; 0 takes the likeliest.
        temperature_annealing: "linear" multiplies the temperature by the share of steps that are left.
        top_k: share of the vocabulary that may be drawn, the likeliest ids (MaskGST's code: 0.1).
        top_p: draw from the likeliest ids that hold this share of the probability.
        guidance: how the prediction is guided.
    """

    families: ClassVar[tuple[Family, ...]] = ("masked",)
    remask = False
    """Whether tokens drawn in earlier steps may be masked again too."""

    def __init__(
        self,
        *,
        steps: Count = 20,
        schedule: Schedule = "cosine",
        temperature: NotNegative = 1.0,
        temperature_annealing: Annealing = "none",
        top_k: SomeShare = 1.0,
        top_p: SomeShare = 1.0,
        guidance: Guidance | None = None,
    ) -> None:
        self.steps, self.schedule, self.guidance = steps, schedule, guidance
        self.temperature, self.annealed = temperature, temperature_annealing == "linear"
        self.top_k, self.top_p = top_k, top_p

    @abstractmethod
    def ranking(self, prior: MaskedPrior, condition: Condition, noise: Noise) -> Ranking:
        """Called once for a batch of stories: how the tokens of each step are ranked."""

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
            raise UsageError(f"sampler '{self.use}' draws from masked priors; '{prior.use}' is {prior.family}")
        spec, mask_id = prior.latents, prior.mask_id
        start = _start(spec, mask_id, condition, known, keep)
        x = start.flatten(2)
        given = x != mask_id
        unknown = (~given).sum(-1, keepdim=True)
        if not bool(unknown.any()):
            return Latents(start, spec)
        guided = Guided(prior, self.guidance, condition)
        rank = self.ranking(prior, condition, noise)
        shares = masked_share(self.schedule, torch.linspace(0, 1, self.steps + 1, dtype=torch.float64), spec.tokens)
        allowed = None
        for step in range(self.steps):
            masked = x == mask_id
            time, progress = float(shares[step]) if step else 1.0, step / max(1, self.steps - 1)
            logits = guided.predict(x.view_as(start), time, progress).flatten(2, 3)
            if step == 0:
                allowed = prior.allowed(guided.first_state())
            if allowed is not None:
                logits = logits.masked_fill(~allowed[: condition.batch].flatten(2, 3), -torch.inf)
            self._check(logits, masked, prior, condition, step)
            tokens = choose(
                logits,
                noise.uniform((spec.tokens,), step=step, name="token"),
                temperature=self.temperature * ((self.steps - step) / self.steps if self.annealed else 1.0),
                top_k=self.top_k,
                top_p=self.top_p,
            )
            x = torch.where(masked, tokens, x)
            if step + 1 == self.steps:
                break
            again = masked_count(shares[step + 1].to(x.device), unknown)
            again = torch.minimum(again, masked.sum(-1, keepdim=True) - 1).clamp_min(0)
            if not bool(again.any()):
                break
            sureness = rank(Drawn(step, self.steps, x, logits))
            sureness = sureness.expand_as(x).masked_fill(given if self.remask else ~masked, torch.inf)
            # By rank, so that ties cannot mask more tokens than are meant to be.
            x = x.masked_fill(sureness.argsort(dim=-1, stable=True).argsort(dim=-1) < again, mask_id)
        return Latents(x.view_as(start), spec)

    def _check(self, logits: Tensor, masked: Tensor, prior: Prior, condition: Condition, step: int) -> None:
        wrong = masked & ~logits.amax(-1).isfinite()
        if bool(wrong.any()):
            story, frame = wrong.any(-1).nonzero()[0].tolist()
            raise TrainingError(
                f"prior '{prior.use}' predicts logits that are no finite numbers: decoding step {step + 1} of "
                f"{self.steps}, frame {frame + 1} of story '{condition.ids[story]}'",
                hint="Its training went astray, or its weights overflow at this precision: look at its loss in the "
                "report, or draw with runtime.precision=fp32.",
            )


def _start(spec: LatentSpec, mask_id: int, condition: Condition, known: Latents | None, keep: Tensor | None) -> Tensor:
    """ids (B, T, h, w): `mask_id` where a token is to be drawn, `known` where it is kept, 0 in padding frames."""
    shape = (condition.batch, condition.frames, *spec.grid)
    frames = condition.frame_mask[..., None, None]
    x = torch.where(frames, mask_id, torch.zeros(shape, dtype=torch.long, device=frames.device))
    if known is None or keep is None:
        if known is not keep:
            raise UsageError("known and keep belong together: which tokens there are, and which of them are kept")
        return x
    for name, there in (("known", known.data), ("keep", keep)):
        if tuple(there.shape) != shape:
            raise UsageError(f"{name} has shape {tuple(there.shape)}; these stories have tokens of shape {shape}")
    if bool((keep & ((known.data < 0) | (known.data >= spec.vocab))).any()):
        raise UsageError(f"known has ids that are kept and are none of the vocabulary, 0 to {spec.vocab - 1}")
    return torch.where(keep, known.data, x)
