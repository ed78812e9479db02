"""The VQ-GAN with two codebooks: background and characters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt
from torch import Tensor, nn

from gst.batch import StoryBatch
from gst.cast import Cast
from gst.component import Bound
from gst.errors import DataError
from gst.latents import Latents, LatentSpec
from gst_vq.blocks import Norm
from gst_vq.codebook import Codebook
from gst_vq.dual_codebook import DualCodebook, DualQuantized
from gst_vq.vqgan import VQGAN


class DualVQGAN(VQGAN):
    """VQ-GAN that keeps characters and background in two libraries (MaskGST thesis, section 8.7).

    Encoder, decoder and losses are `vqgan`'s. The encoder's output goes through two 1 x 1 filters, each with a library
    of `codebook_size` codes; a mask of the picture says at each place of the grid which of the two is decoded. A single
    linear layer on the flattened codes of the character library tells who is in the frame (binary cross-entropy, mean
    over the cast), so that characters must be told apart by their codes; `character_weight` times that is added to the
    loss. The thesis prints no weight.

    The mask comes with the stories: an extra, bool (T, H, W), True at characters. A data set may tell the truth
    (story-world: "mask"), or the step `character-masks` finds it by Grad-CAM ("grad_cam").

    The other options are those of `vqgan`; `codebook_size` is the size of each library.

    Args:
        mask: name of that extra.
        mask_share: a place of the grid shows a character where at least this share of its pixels does.
        character_weight: weight of the classification.
        cast: whom it tells apart.
    """

    def __init__(
        self,
        *,
        mask: str = "mask",
        mask_share: Annotated[float, Field(gt=0, le=1)] = 0.5,
        character_weight: NonNegativeFloat = 0.1,
        frame_size: Bound[tuple[int, int]],
        downsample: PositiveInt | tuple[PositiveInt, PositiveInt] = 8,
        widths: tuple[PositiveInt, ...] = (64, 128),
        blocks: NonNegativeInt | tuple[NonNegativeInt, ...] = 2,
        decoder_blocks: NonNegativeInt | tuple[NonNegativeInt, ...] = 2,
        middle: bool = False,
        stem_stride: PositiveInt = 4,
        attention: bool = False,
        norm: Norm = "layer",
        codebook_size: PositiveInt = 128,
        code_dim: PositiveInt = 64,
        codebook: Literal["ema", "gradient"] = "ema",
        init: Literal["kmeans", "random"] = "kmeans",
        decay: Annotated[float, Field(ge=0, lt=1)] = 0.95,
        revive_below: Annotated[float, Field(ge=0, lt=1)] = 0.02,
        cosine: bool = False,
        beta: NonNegativeFloat = 0.25,
        l1: NonNegativeFloat = 1.0,
        l2: NonNegativeFloat = 0.0,
        perceptual: Literal["pyramid", "random", "timm", "none"] = "pyramid",
        perceptual_weight: NonNegativeFloat = 1.0,
        perceptual_model: str = "vgg16.tv_in1k",
        perceptual_weights: Path | None = None,
        perceptual_layers: tuple[NonNegativeInt, ...] | None = None,
        disc_start: NonNegativeInt = 10_000,
        disc_weight: NonNegativeFloat = 0.8,
        disc_width: PositiveInt = 64,
        disc_layers: PositiveInt = 3,
        disc_norm: Literal["batch", "group"] = "batch",
        cast: Bound[Cast],
    ) -> None:
        super().__init__(
            frame_size=frame_size,
            downsample=downsample,
            widths=widths,
            blocks=blocks,
            decoder_blocks=decoder_blocks,
            middle=middle,
            stem_stride=stem_stride,
            attention=attention,
            norm=norm,
            codebook_size=codebook_size,
            code_dim=code_dim,
            codebook=codebook,
            init=init,
            decay=decay,
            revive_below=revive_below,
            cosine=cosine,
            beta=beta,
            l1=l1,
            l2=l2,
            perceptual=perceptual,
            perceptual_weight=perceptual_weight,
            perceptual_model=perceptual_model,
            perceptual_weights=perceptual_weights,
            perceptual_layers=perceptual_layers,
            disc_start=disc_start,
            disc_weight=disc_weight,
            disc_width=disc_width,
            disc_layers=disc_layers,
            disc_norm=disc_norm,
        )
        self.mask, self.mask_share, self.character_weight = mask, mask_share, character_weight
        self.head = nn.Linear(code_dim * self.grid[0] * self.grid[1], len(cast))

    def quantizer(self, make: Callable[[], Codebook]) -> DualCodebook:
        return DualCodebook(make(), make())

    @property
    def spec(self) -> LatentSpec:
        size = self.libraries.size
        return LatentSpec("ids", self.grid, vocab=size, frame_size=self.frame_size, libraries=2)

    @property
    def libraries(self) -> DualCodebook:
        """The two codebooks."""
        assert isinstance(self.autoencoder.codebook, DualCodebook)
        return self.autoencoder.codebook

    def loss(self, batch: StoryBatch, phase: str, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        if phase == "discriminator":
            return self.discriminator_loss(batch)
        if batch.characters is None:
            raise DataError("dual-vqgan learns to tell characters apart, and this data has no character labels")
        drawn, quantized = self.rebuild(batch, generator)
        scalars = self.generator_loss(self.valid_frames(batch), drawn, quantized, step)
        present = batch.characters[batch.frame_mask]
        told = self.head(quantized.characters.flatten(1)).float()
        entropy = F.binary_cross_entropy_with_logits(told, present.float())
        right = ((told.detach() > 0) == present).float().mean()
        loss = scalars["loss"] + self.character_weight * entropy
        return {**scalars, "loss": loss, "characters": entropy.detach(), "characters_right": right}

    def rebuild(self, batch: StoryBatch, generator: torch.Generator) -> tuple[Tensor, DualQuantized]:
        background = self.background(batch)[batch.frame_mask]
        drawn, quantized = self.autoencoder(self.valid_frames(batch), generator, background=background)
        return drawn, quantized

    def valid_ids(self, batch: StoryBatch) -> Tensor:
        background = self.background(batch)[batch.frame_mask]
        return self.autoencoder.encode(self.valid_frames(batch), background=background)

    def background(self, batch: StoryBatch) -> Tensor:
        """bool (B, T, h, w): M_bg of the thesis, by the batch's masks. Raises `DataError` where it has none."""
        if self.mask not in batch.extras:
            there = ", ".join(sorted(batch.extras)) or "none"
            raise DataError(
                f"dual-vqgan needs masks of the characters, the extra '{self.mask}', which these stories do not have "
                f"(their extras: {there})",
                hint="Give it the stories of step character-masks, with `mask: grad_cam`.",
            )
        share = F.adaptive_avg_pool2d(batch.extras[self.mask].float(), self.grid)
        return share < self.mask_share

    def encode_stories(self, batch: StoryBatch) -> Latents:
        if batch.frames is None:
            raise DataError("a tokenizer encodes frames, and these stories have none")
        return self.encode(batch.frames, self.background(batch))

    @torch.no_grad()
    def encode(self, frames: Tensor, background: Tensor | None = None) -> Latents:
        """frames (B, T, 3, H, W) and where they are background, bool (B, T, h, w), -> ids (B, T, h, w)."""
        if background is None:
            raise DataError(
                "dual-vqgan cannot encode a picture without knowing where its characters are",
                hint="Encode stories that tell (encode_stories), or give it `background`.",
            )
        behind, front = self.encode_each(frames)
        return Latents(torch.where(background, behind.data, front.data), self.spec)

    @torch.no_grad()
    def encode_each(self, frames: Tensor) -> tuple[Latents, Latents]:
        """frames (B, T, 3, H, W) -> each in codes of the background library alone, and of the character library alone.

        To decode them shows what each library holds (thesis, 9.2.10).
        """
        self.check_size(frames)
        each = self.libraries.lookup_each(self.autoencoder.features(frames.flatten(0, 1)))
        behind, front = (Latents(ids.view(*frames.shape[:2], *self.grid), self.spec) for ids in each)
        return behind, front
