"""Latent super-resolution: a MaskGST on a fine grid that is also told the tokens of a coarse one."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from gst.batch import StoryBatch
from gst.component import Bound
from gst.condition import Condition
from gst.errors import UsageError
from gst.latents import Latents, LatentSpec
from gst.matching import check_given
from gst.nn.positions import GridPositions
from gst.nn.story_layers import SelfLayer
from gst_maskgst.embedding import Told
from gst_maskgst.prior import MaskGST
from gst_maskgst.ranges import NotAll

LOW = "low"


class MaskGSTSuperRes(MaskGST):
    """Predicts the masked tokens of a fine grid from all that MaskGST is told and from the tokens of a coarse grid.

    The sequence of a frame is [N image tokens; its caption; its characters; its low tokens], the low tokens after self
    layers of their own (Muse, Chang et al. 2023; MaskGST thesis, section 8.6 and eq. 8.6.1). What those layers give is
    computed once a story.

    In training the low tokens are those that the base model's tokenizer gives for the same frames; in drawing, those
    that the base model has drawn. Guidance leaves them as they are in every branch.

    Low tokens have positions of their own, on their grid. Tied to the fine grid's from the start, they taught a toy
    which low token belongs to which fine one no sooner.

    Args:
        low_layers: self layers that the low tokens go through first, each frame on its own.
        low_noise: share of low tokens that training replaces by ids drawn uniformly, so that the base model's mistakes
            are not taken at their word (conditioning augmentation; Ho et al. 2022, "Cascaded Diffusion Models"). The
            thesis has none.
        low: the low tokens; the training step takes them from `given: {low: ...}`.
    """

    takes_given: ClassVar[tuple[str, ...]] = (LOW,)

    def __init__(
        self,
        *,
        low_layers: Annotated[int, Field(ge=0)] = 4,
        low_noise: NotAll = 0.0,
        low: Bound[LatentSpec],
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if low.kind != "ids":
            raise ValueError("low tokens are ids of a codebook, and the base model's tokenizer gives features")
        self.low, self.low_noise = low, low_noise
        self.low_token = nn.Embedding(low.vocab, self.shape.dim)
        self.low_place = GridPositions(low.grid, self.shape.dim)
        self.low_layers = nn.ModuleList(SelfLayer(self.shape) for _ in range(low_layers))
        self._initialise()  # once more, for what has come since

    def _told(self, condition: Condition) -> Told:
        told = super()._told(condition)
        ids = self._given(condition).data
        frames = self.embedding.frame.weight[: condition.frames, None]
        rows = self.low_token(ids.flatten(2)) + (self.low_place() + frames)
        seen = torch.ones(rows.shape[:3], dtype=torch.bool, device=rows.device)
        for layer in self.low_layers:
            rows = layer(rows, seen)
        told.rows, told.mask = torch.cat([told.rows, rows], 2), torch.cat([told.mask, seen], 2)
        return told

    def loss(self, batch: StoryBatch, phase: str, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """As MaskGST's, with `low_noise` while it trains."""
        if self.low_noise and self.training and batch.condition is not None:
            low = self._given(batch.condition)
            shape, device = low.data.shape, generator.device
            wrong = torch.randint(self.low.vocab, shape, generator=generator, device=device)
            hit = torch.rand(shape, generator=generator, device=device) < self.low_noise
            low = Latents(torch.where(hit.to(low.data.device), wrong.to(low.data.device), low.data), low.spec)
            given = {**batch.condition.given, LOW: low}
            batch = replace(batch, condition=replace(batch.condition, given=given))
        return super().loss(batch, phase, step, generator)

    def _given(self, condition: Condition) -> Latents:
        check_given(self, condition.given, complete=True)
        low = condition.given[LOW]
        if low.spec != self.low:
            raise UsageError(f"prior '{self.use}' learned from low tokens {self.low}; it is given {low.spec}")
        return low
