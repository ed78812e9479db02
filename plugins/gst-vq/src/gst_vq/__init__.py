"""Vector-quantised tokenizers: VQ-VAE and VQ-GAN."""

from __future__ import annotations

from typing import Any

from gst import hookimpl


@hookimpl
def gst_register(registry: Any) -> None:
    registry.add("tokenizer", "vqvae", "gst_vq.vqvae:VQVAE", summary="autoencoder with a codebook (van den Oord 2017)")
    registry.add(
        "tokenizer", "vqgan", "gst_vq.vqgan:VQGAN", summary="VQ-VAE with perceptual and patch-GAN loss (Esser 2021)"
    )
    registry.add(
        "tokenizer",
        "dual-vqgan",
        "gst_vq.dual_vqgan:DualVQGAN",
        summary="VQ-GAN with a codebook for characters and one for background (MaskGST thesis)",
    )
    registry.add(
        "step",
        "disentangle",
        "gst_vq.disentangle:Disentangle",
        summary="Real frames drawn from one library of a dual codebook at a time",
    )
