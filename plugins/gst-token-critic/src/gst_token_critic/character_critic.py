"""Character-attentive Token-Critic: told who is there, trained together with the prior."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gst.batch import StoryBatch
from gst.cast import Cast
from gst.component import Bound
from gst.condition import Condition
from gst.conditioner import Conditioner
from gst.errors import TrainingError, UsageError
from gst.kinds import Critic, MaskedPrior, Phase
from gst.latents import LatentSpec
from gst.nn.feedforward import Activation
from gst.nn.story_layers import LayerShape
from gst_maskgst.masking import seeded_dropout, trim
from gst_maskgst.ranges import Count, NotAll, Positive
from gst_maskgst.schedules import Schedule
from gst_token_critic.character_network import CharacterNetwork
from gst_token_critic.loss import critic_loss
from gst_token_critic.redraw import redraw

PHASE = "critic"


class CharacterCritic(Critic):
    """Says of every token whether it was drawn or is real, from the frame's tokens and the embeddings of the characters
    that its caption names (thesis, 8.5 and 9.2.8).

    It is trained together with the prior: in every step the prior learns what it learns alone, and then the critic
    learns from what the prior, as it is by then, draws in the place of masked tokens. No gradient of the critic reaches
    the prior. The step `separate` takes the two apart afterwards.

    Args:
        prior: the prior to train, `$prior`; a trained one is trained further.
        dim: width D of the critic.
        heads: its attention heads.
        head_dim: width of a head.
        layers: its full layers: self-attention over a frame's tokens, cross-attention to the characters, feed-forward.
        ff_mult: hidden width of the feed-forward parts over D.
        activation: of the feed-forward parts.
        qk_norm: normalise queries and keys of every head.
        dropout: share of every layer branch's output dropped in training.
        schedule: how the share of masked tokens depends on a uniform r, in what the critic learns from.
    """

    def __init__(
        self,
        *,
        prior: MaskedPrior | None = None,
        dim: Count = 512,
        heads: Count = 8,
        head_dim: Count = 64,
        layers: Count = 4,
        ff_mult: Positive = 4.0,
        activation: Activation = "geglu",
        qk_norm: bool = True,
        dropout: NotAll = 0.0,
        schedule: Schedule = "cosine",
        latents: Bound[LatentSpec],
        cast: Bound[Cast],
    ) -> None:
        super().__init__()
        if prior is not None and prior.latents != latents:
            raise ValueError(f"it is to judge {latents}, and its prior draws {prior.latents}")
        if not len(cast):
            raise ValueError("it judges by who is in the story, and this data set has no cast")
        self.latents, self.dropout, self.schedule = latents, dropout, schedule
        self.prior = prior
        shape = LayerShape(dim, heads, head_dim, ff_mult, activation, qk_norm, dropout)
        self.network = CharacterNetwork(latents, len(cast), shape, layers)

    def tell(self, conditioner: Conditioner) -> None:
        """As the training step says, and the prior with it, since the critic needs characters even where that takes
        none."""
        if conditioner.characters_from == "none":
            raise UsageError(
                f"critic '{self.use}' judges by the characters, and is to be told none",
                hint="Set characters_from: captions in the training step.",
            )
        self._trained().conditioner = self.conditioner = conditioner

    def learned(self) -> nn.Module:
        return self.network

    def phases(self) -> Sequence[Phase]:
        """The prior's, then the critic's."""
        return [*self._trained().phases(), Phase(PHASE, list(self.network.parameters()))]

    def begin(self, condition: Condition) -> Any:
        return self.network.begin(condition)

    def score(self, state: Any, ids: Tensor) -> Tensor:
        scores: Tensor = self.network(state, ids)
        return scores

    def loss(self, batch: StoryBatch, phase: str, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """The prior's loss in its phases; in the critic's, binary cross-entropy on the tokens of real frames, of which
        the prior drew some (see `critic_loss`)."""
        prior = self._trained()
        if phase != PHASE:
            return prior.loss(batch, phase, step, generator)
        if batch.condition is None:
            raise TrainingError(f"critic '{self.use}' was given stories without conditions", hint="Call tell() first.")
        condition, ids = trim(batch.condition), batch.latents["target"].data
        training = prior.training
        prior.eval()  # draws as it will draw, without dropout
        shown, real = redraw(prior, condition, ids, self.schedule, generator)
        prior.train(training)
        with seeded_dropout(self.dropout if self.training else 0.0, generator, ids.device):
            scores = self.score(self.begin(condition), shown)
        return critic_loss(scores, real, batch.frame_mask)

    def after_step(self, step: int, generator: torch.Generator) -> dict[str, float]:
        return self._trained().after_step(step, generator)

    def _trained(self) -> MaskedPrior:
        if self.prior is None:
            raise TrainingError(
                f"critic '{self.use}' is trained together with a prior, and has none",
                hint="Give it the untrained prior: prior: $prior.",
            )
        return self.prior
