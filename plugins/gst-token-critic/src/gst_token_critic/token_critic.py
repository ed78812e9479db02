"""Token-Critic: a transformer that tells drawn tokens from real ones, trained after the prior."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from gst.batch import StoryBatch
from gst.cast import Cast
from gst.component import Bound
from gst.condition import Condition, TextSpec
from gst.conditioner import Conditioner
from gst.errors import TrainingError, UsageError
from gst.kinds import Critic, MaskedPrior
from gst.latents import LatentSpec
from gst.nn.feedforward import Activation
from gst.nn.story_layers import LayerShape
from gst_maskgst.embedding import StoryEmbedding
from gst_maskgst.masking import seeded_dropout, trim
from gst_maskgst.ranges import Count, NotAll, Positive
from gst_maskgst.schedules import Schedule
from gst_token_critic.loss import critic_loss
from gst_token_critic.redraw import redraw
from gst_token_critic.story_network import LayerName, StoryNetwork

_DEFAULT_LAYERS: tuple[LayerName, ...] = ("full", "full", "self", "self")


class TokenCritic(Critic):
    """Says of every token whether it was drawn by a prior or is real (Token-Critic, Lezama et al. 2022; thesis, 6.2.4).

    It learns from real stories of which a share of the tokens, by the schedule, was replaced by draws of a trained
    prior, and sees the captions as that prior does. The prior learns nothing meanwhile, and is not kept: a trained
    critic needs it no more.

    Args:
        prior: the trained prior to learn from, `$train.model`. Its conditioner makes the conditions, whatever the
            training step of the critic says of `characters_from` and `resolve`.
        dim: width D.
        heads: attention heads.
        head_dim: width of a head.
        layers: the layers in order, as in prior "maskgst": "full", "self", "sv". The paper's critic is a smaller
            transformer than its prior, and so is this.
        characters: also append the characters' rows to every frame.
        tokens_per_character: rows a character.
        max_frames: T of the longest story.
        ff_mult: hidden width of the feed-forward parts over D.
        activation: of the feed-forward parts.
        qk_norm: normalise queries and keys of every head.
        dropout: share of every layer branch's output dropped in training.
        schedule: how the share of masked tokens depends on a uniform r.
    """

    training_only: ClassVar[tuple[str, ...]] = ("prior",)

    def __init__(
        self,
        *,
        prior: MaskedPrior | None = None,
        dim: Count = 256,
        heads: Count = 4,
        head_dim: Count = 64,
        layers: Annotated[Sequence[LayerName], Field(min_length=1)] = _DEFAULT_LAYERS,
        characters: bool = True,
        tokens_per_character: Count = 1,
        max_frames: Count = 16,
        ff_mult: Positive = 4.0,
        activation: Activation = "geglu",
        qk_norm: bool = True,
        dropout: NotAll = 0.0,
        schedule: Schedule = "cosine",
        latents: Bound[LatentSpec],
        text: Bound[TextSpec | None],
        cast: Bound[Cast],
    ) -> None:
        super().__init__()
        if prior is not None and prior.latents != latents:
            raise ValueError(f"it is to judge {latents}, and its prior draws {prior.latents}")
        self.latents, self.text, self.characters = latents, text, characters
        self.dropout, self.schedule = dropout, schedule
        # In a tuple, so that torch does not count the prior's weights among the critic's own.
        self._priors = () if prior is None else (prior,)
        cast_size = len(cast) if characters else 0
        embedding = StoryEmbedding(
            dim, max_frames, latents, text, characters=cast_size, per_character=tokens_per_character
        )
        shape = LayerShape(dim, heads, head_dim, ff_mult, activation, qk_norm, dropout)
        self.network = StoryNetwork(embedding, shape, layers)

    @property
    def prior(self) -> MaskedPrior:
        """The prior it learns from. Raises `TrainingError` where it has none, as a trained critic."""
        if not self._priors:
            raise TrainingError(
                f"critic '{self.use}' has no prior to learn from; a trained one does not keep it",
                hint="Give the critic the trained prior: prior: $train.model.",
            )
        return self._priors[0]

    def tell(self, conditioner: Conditioner) -> None:
        """As its prior is told."""
        told = self.prior.conditioner
        if told is None:
            raise UsageError(
                f"critic '{self.use}' learns from a trained prior; this '{self.prior.use}' was never trained",
                hint="Give it what the training step made of the prior: prior: $train.model.",
            )
        if self.text != (None if told.text is None else told.text.spec):
            raise UsageError(
                f"critic '{self.use}' reads {self.text}; its prior was told captions by a text component that gives "
                f"{None if told.text is None else told.text.spec}",
                hint="Give the critic's training step the same text component as the prior's: text: $bpe.text.",
            )
        if self.characters and told.characters_from == "none":
            raise UsageError(
                f"critic '{self.use}' has characters: true, and its prior is told none", hint="Set characters: false."
            )
        self.conditioner = told

    def begin(self, condition: Condition) -> Any:
        return self.network.begin(condition)

    def score(self, state: Any, ids: Tensor) -> Tensor:
        scores: Tensor = self.network(state, ids)
        return scores

    def loss(self, batch: StoryBatch, phase: str, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Binary cross-entropy on the tokens of real frames, of which the prior drew some.

        Returns:
            loss, accuracy, auc: see `critic_loss`.
        """
        ids = batch.latents["target"].data
        prior = self.prior.to(ids.device)
        if prior.training:
            raise UsageError(f"prior '{prior.use}' of critic '{self.use}' is in training mode", hint="Call eval().")
        if batch.condition is None:
            raise TrainingError(f"critic '{self.use}' was given stories without conditions", hint="Call tell() first.")
        condition = trim(batch.condition)
        shown, real = redraw(prior, condition, ids, self.schedule, generator)
        with seeded_dropout(self.dropout if self.training else 0.0, generator, ids.device):
            scores = self.score(self.begin(condition), shown)
        return critic_loss(scores, real, batch.frame_mask)
