"""The VQ-VAE tokenizer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Literal

import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt
from torch import Tensor

from gst.batch import StoryBatch
from gst.component import Bound
from gst.errors import DataError
from gst.kinds import Tokenizer
from gst.latents import Latents, LatentSpec
from gst_vq.autoencoder import Autoencoder
from gst_vq.blocks import Norm
from gst_vq.codebook import Codebook, Quantized
from gst_vq.decoder import Decoder
from gst_vq.dual_codebook import DualCodebook
from gst_vq.ema_codebook import EMACodebook
from gst_vq.encoder import Encoder
from gst_vq.gradient_codebook import GradientCodebook
from gst_vq.shape import make_shape


class VQVAE(Tokenizer):
    """VQ-VAE (van den Oord et al. 2017, https://arxiv.org/abs/1711.00937) with VQGAN's encoder and decoder.

    Loss: l1 * |x - x'| + l2 * (x - x')^2 + codebook + beta * commitment, each a mean over all its numbers; padding
    frames are left out. The gradient passes the codebook straight through.

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
        l2: NonNegativeFloat = 1.0,
    ) -> None:
        super().__init__()
        shape = make_shape(
            frame_size=frame_size,
            downsample=downsample,
            widths=widths,
            blocks=blocks,
            decoder_blocks=decoder_blocks,
            middle=middle,
            stem_stride=stem_stride,
            attention=attention,
            norm=norm,
        )
        kind = EMACodebook if codebook == "ema" else GradientCodebook
        book = self.quantizer(
            partial(
                kind,
                size=codebook_size,
                dim=code_dim,
                beta=beta,
                cosine=cosine,
                init=init,
                decay=decay,
                revive_below=revive_below,
            )
        )
        self.autoencoder = Autoencoder(Encoder(shape, code_dim), book, Decoder(shape, code_dim))
        self.frame_size, self.grid, self.l1, self.l2 = frame_size, shape.grid, l1, l2

    def quantizer(self, make: Callable[[], Codebook]) -> Codebook | DualCodebook:
        """What the encoder's grid is quantised with; `make` gives a codebook as the options say. Called once."""
        return make()

    @property
    def spec(self) -> LatentSpec:
        return LatentSpec("ids", self.grid, vocab=self.autoencoder.codebook.size, frame_size=self.frame_size)

    def loss(self, batch: StoryBatch, phase: str, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        frames = self.valid_frames(batch)
        drawn, quantized = self.rebuild(batch, generator)
        pixels, parts = self.pixel_loss(drawn, frames)
        return {"loss": pixels + quantized.loss, **parts, "commitment": quantized.commitment}

    def after_step(self, step: int, generator: torch.Generator) -> dict[str, float]:
        """Update the codebook. Logs `usage` (share of codes), `perplexity` and `revived` (dead codes)."""
        return self.autoencoder.codebook.update(generator)

    @torch.no_grad()
    def encode(self, frames: Tensor) -> Latents:
        self.check_size(frames)
        ids = self.autoencoder.encode(frames.flatten(0, 1))
        return Latents(ids.view(*frames.shape[:2], *self.grid), self.spec)

    def check_size(self, frames: Tensor) -> None:
        """Raise `DataError` for frames (..., H, W) of another size than this tokenizer was built for."""
        if tuple(frames.shape[-2:]) != tuple(self.frame_size):
            raise DataError(
                f"these frames are {frames.shape[-2]} x {frames.shape[-1]} pixels; "
                f"this tokenizer was built for {self.frame_size[0]} x {self.frame_size[1]}"
            )

    @torch.no_grad()
    def decode(self, latents: Latents) -> Tensor:
        frames = self.autoencoder.decode(latents.data.flatten(0, 1)).clamp_(-1.0, 1.0)
        return frames.reshape(*latents.data.shape[:2], *frames.shape[1:])

    def embed(self, ids: Tensor) -> Tensor:
        """int64 (...) -> the codebook's vectors (..., code_dim)."""
        return self.autoencoder.codebook.embed(ids)

    def rebuild(self, batch: StoryBatch, generator: torch.Generator) -> tuple[Tensor, Quantized]:
        """The valid frames of a batch through the codebook and back, not clipped, for training; and their codes."""
        drawn, quantized = self.autoencoder(self.valid_frames(batch), generator)
        return drawn, quantized

    def valid_ids(self, batch: StoryBatch) -> Tensor:
        """The ids (N, h, w) of the valid frames of a batch; nothing learns from it."""
        return self.autoencoder.encode(self.valid_frames(batch))

    def valid_frames(self, batch: StoryBatch) -> Tensor:
        """The frames (N, 3, H, W) of a batch, padding left out."""
        if batch.frames is None:
            raise DataError("a tokenizer is trained on frames, and these stories have none")
        return batch.frames[batch.frame_mask]

    def pixel_loss(self, drawn: Tensor, frames: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted difference of pixels, and its parts under the names they are logged by."""
        difference = drawn - frames
        absolute, squared = difference.abs().mean(), difference.square().mean()
        return self.l1 * absolute + self.l2 * squared, {"l1": absolute.detach(), "l2": squared.detach()}
