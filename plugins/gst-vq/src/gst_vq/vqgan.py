"""The VQ-GAN tokenizer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt
from torch import Tensor

from gst.batch import StoryBatch
from gst.component import Bound
from gst.kinds import Phase
from gst.nn.discriminator import PatchDiscriminator
from gst_vq.adversarial import adaptive_weight, hinge_discriminator, hinge_generator
from gst_vq.blocks import Norm
from gst_vq.codebook import Quantized
from gst_vq.vqvae import VQVAE


class VQGAN(VQVAE):
    """VQGAN (Esser et al. 2021, https://arxiv.org/abs/2012.09841): a VQ-VAE that features and patches judge, too.

    Phase "generator" minimises pixels + perceptual_weight * perceptual + codebook + beta * commitment, and from step
    `disc_start` on disc_weight * lambda * adversarial, lambda as in eq. 7 of the paper. Phase "discriminator" begins
    at `disc_start`; both losses are hinge losses.

    Args:
        frame_size: (H, W) of the frames.
        downsample: pixels of one code's side, or (rows, columns); any that divides the frame. 8 makes 8 x 8 codes of
            64 x 64 pixels.
        widths: channels of the levels, the finest first; multiples of 64 are fastest. Between them the picture shrinks
            from 1 / stem_stride to 1 / downsample.
        blocks: the encoder's residual blocks a level, one number or one a level.
        decoder_blocks: the decoder's; VQGAN has one more a level than in the encoder.
        middle: two more blocks at the coarsest level, in encoder and decoder (VQGAN).
        stem_stride: pixels folded into channels before the first convolution: 1 for VQGAN's encoder, 4 for speed.
        attention: self-attention at the coarsest level, after each of its blocks.
        norm: "layer" over each pixel's channels (fast), "group" as in VQGAN, or "none".
        codebook_size: number of codes.
        code_dim: length of a code.
        codebook: "ema" learns codes by moving averages, "gradient" with the optimizer.
        init: codes start from "kmeans" on the first training batch, or from small "random" numbers.
        decay: of the codebook's moving averages, a step.
        revive_below: a code used less than this share of even use is moved to a random encoder output; 0 never.
        cosine: compare codes by angle (ViT-VQGAN).
        beta: weight of the commitment loss.
        l1: weight of the mean absolute difference of pixels.
        l2: weight of the mean squared difference of pixels.
        perceptual: "pyramid" compares edges at several scales, "random" the features of a fixed untrained network (both
            need no download), "timm" those of a trained one, "none" nothing.
        perceptual_weight: weight of the perceptual loss.
        perceptual_model: the timm model, for "timm".
        perceptual_weights: file with that model's weights; None downloads them once.
        perceptual_layers: which of its features are compared; None for all.
        disc_start: the step at which the discriminator and the adversarial loss begin.
        disc_weight: of the adversarial loss, beside lambda. 0 leaves the discriminator out.
        disc_width: channels of the discriminator's first layer.
        disc_layers: its convolutions of stride 2: 3 judge patches of 70 pixels, 2 of 34, 1 of 16.
        disc_norm: its normalisation: "batch" as in the paper, or "group".
    """

    def __init__(
        self,
        *,
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
        )
        self.perceptual, self.perceptual_weight, self.perceptual_model = perceptual, perceptual_weight, perceptual_model
        self.perceptual_weights, self.perceptual_layers = perceptual_weights, perceptual_layers
        self.disc_start, self.disc_weight = disc_start, disc_weight
        self.discriminator = PatchDiscriminator(3, disc_width, disc_layers, disc_norm) if disc_weight else None

    def phases(self) -> Sequence[Phase]:
        judge = [] if self.discriminator is None else list(self.discriminator.parameters())
        theirs = {id(p) for p in judge}
        generator = Phase("generator", [p for p in self.parameters() if p.requires_grad and id(p) not in theirs])
        return [generator, Phase("discriminator", judge, start=self.disc_start)] if judge else [generator]

    def loss(self, batch: StoryBatch, phase: str, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        if phase == "discriminator":
            return self.discriminator_loss(batch)
        drawn, quantized = self.rebuild(batch, generator)
        return self.generator_loss(self.valid_frames(batch), drawn, quantized, step)

    def generator_loss(self, frames: Tensor, drawn: Tensor, quantized: Quantized, step: int) -> dict[str, Tensor]:
        """The loss of phase "generator", for frames (N, 3, H, W) and what was `drawn` from their codes."""
        loss, parts = self.pixel_loss(drawn, frames)
        if self._perceptual_loss is not None:
            perceptual = self._perceptual_loss(drawn, frames)
            loss = loss + self.perceptual_weight * perceptual
            parts["perceptual"] = perceptual.detach()
        if self.discriminator is not None and step >= self.disc_start:
            adversarial = hinge_generator(self.discriminator(drawn).float())
            parts["adversarial"] = adversarial.detach()
            if torch.is_grad_enabled():
                balance = adaptive_weight(loss, adversarial, self.autoencoder.decoder.last.weight)
                parts["adversarial_weight"] = balance
                loss = loss + self.disc_weight * balance * adversarial
        return {"loss": loss + quantized.loss, **parts, "commitment": quantized.commitment.detach()}

    def discriminator_loss(self, batch: StoryBatch) -> dict[str, Tensor]:
        """The loss of phase "discriminator"."""
        assert self.discriminator is not None
        frames = self.valid_frames(batch)
        with torch.no_grad():
            drawn = self.autoencoder.decode(self.valid_ids(batch))
        real, fake = self.discriminator(frames).float(), self.discriminator(drawn).float()
        return {
            "loss": hinge_discriminator(real, fake),
            "real": real.detach().mean(),
            "fake": fake.detach().mean(),
        }

    @cached_property
    def _perceptual_loss(self) -> Callable[[Tensor, Tensor], Tensor] | None:
        """Made when training begins, so that a trained tokenizer loads nothing; and no part of its weights."""
        if self.perceptual == "none":
            return None
        if self.perceptual == "pyramid":
            from gst_vq.perceptual.pyramid import PyramidLoss

            return PyramidLoss()
        if self.perceptual == "random":
            from gst_vq.perceptual.random_features import RandomFeatures

            return RandomFeatures()
        from gst_vq.perceptual.timm_features import TimmFeatures

        return TimmFeatures(self.perceptual_model, self.perceptual_weights, self.perceptual_layers)
