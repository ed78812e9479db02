"""MaskGIT: the tokens that the prior, or a critic, is least sure of are masked again."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from gst.condition import Condition
from gst.errors import TrainingError, UsageError
from gst.kinds.critic import Critic
from gst.kinds.prior import MaskedPrior, Prior
from gst.latents import Latents
from gst.noise import Noise
from gst_maskgst.decoding import Drawn, ParallelSampler, Ranking
from gst_maskgst.ranges import NotNegative


class MaskGit(ParallelSampler):
    """The most confident tokens stay (MaskGIT, Chang et al. 2022).

    The confidence of a token is its probability p in the unfiltered prediction it was drawn from. Tokens are ranked as
    log p + w (1 - (k + 1) / K) g, with standard Gumbel noise g: Google's code, and `randomize="linear"` of valeoai's.

    With a critic they are ranked by its logit s, as s + v (1 - (k + 1) / K) (u - 1/2), with u uniform on [0, 1), and
    all that were drawn may be masked again (Token-Critic, Lezama et al. 2022; the noise as phenaki-pytorch has it).

    Args:
        confidence_noise: w, the weight of Gumbel noise on the logarithm of the confidence, falling linearly to 0 at the
            last step (Google's choice_temperature, 4.5). Without it the easy background is fixed first and characters
            get lost. A critic's score does not get it.
        remask: tokens drawn earlier compete with the new ones and may be masked again. Unset: only where there is a
            critic, as Token-Critic has it.
        critic: scores all tokens after they were drawn; its score replaces the confidence.
        critic_noise: v, the width of uniform noise on the critic's score, falling linearly to 0 at the last step.
    """

    def __init__(
        self,
        *,
        confidence_noise: NotNegative = 4.5,
        remask: bool | None = None,
        critic: Critic | None = None,
        critic_noise: NotNegative = 1.0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.confidence_noise, self.critic_noise, self.critic = confidence_noise, critic_noise, critic
        self.remask = critic is not None if remask is None else remask

    def sample(
        self,
        prior: Prior,
        condition: Condition,
        noise: Noise,
        *,
        known: Latents | None = None,
        keep: Tensor | None = None,
    ) -> Latents:
        if self.critic is None:
            return super().sample(prior, condition, noise, known=known, keep=keep)
        if self.critic.latents != prior.latents:
            raise UsageError(
                f"critic '{self.critic.use}' judges {self.critic.latents}, prior '{prior.use}' draws {prior.latents}",
                hint="Train the critic on tokens of the same tokenizer.",
            )
        training = self.critic.to(condition.frame_mask.device).training
        self.critic.eval()
        try:
            return super().sample(prior, condition, noise, known=known, keep=keep)
        finally:
            self.critic.train(training)

    def ranking(self, prior: MaskedPrior, condition: Condition, noise: Noise) -> Ranking:
        critic, tokens = self.critic, (prior.latents.tokens,)

        def confidence(drawn: Drawn) -> Tensor:
            sureness = drawn.probability().clamp_min(1e-20).log()
            weight = self.confidence_noise * drawn.left
            if not weight:
                return sureness
            return sureness + weight * noise.gumbel(tokens, step=drawn.step, name="confidence")

        if critic is None:
            return confidence
        state = critic.begin(condition)

        def score(drawn: Drawn) -> Tensor:
            found = critic.score(state, drawn.ids.unflatten(2, prior.latents.grid)).flatten(2).float()
            if not bool((found.isfinite() | ~condition.frame_mask[..., None]).all()):
                raise TrainingError(
                    f"critic '{critic.use}' gives scores that are no finite numbers at decoding step "
                    f"{drawn.step + 1} of {drawn.steps}",
                    hint="Its training went astray: look at its loss in the report.",
                )
            uniform = noise.uniform(tokens, step=drawn.step, name="critic")
            return found + self.critic_noise * drawn.left * (uniform - 0.5)

        return score
