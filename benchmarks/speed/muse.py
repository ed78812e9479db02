"""The peer: muse-maskgit-pytorch 0.3.5, with its own training loss and its own `generate`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from types import SimpleNamespace
from typing import Any, Literal

import torch
from torch import Tensor

from .size import Size

VERSION = "0.3.5"
INSTALL = f"pip install -c constraints.txt muse-maskgit-pytorch=={VERSION}"

Mode = Literal["as released", "fp32", "medium", "bf16"]
"""How the peer computes.

"as released": float32, its own tiled attention in Python (the constructor's default), torch's default AdamW. All others
have `flash=False`, which is two einsums and without which bfloat16 raises, and the fused AdamW. "medium": float32 with
`torch.set_float32_matmul_precision("medium")`; "bf16": bfloat16 autocast.
"""
MODES: tuple[Mode, ...] = ("as released", "fp32", "medium", "bf16")


def missing() -> str | None:
    """What is wrong with the installed peer, if anything is."""
    try:
        found = version("muse-maskgit-pytorch")
    except PackageNotFoundError:
        found = "none"
    if found == VERSION:
        return None
    return (
        f"the benchmark compares with muse-maskgit-pytorch {VERSION}; installed: {found}. Install it with\n  {INSTALL}"
    )


class Muse:
    """A MaskGit of random weights, and the same story as the other side's: each frame sees all captions.

    Nothing is downloaded: the text encoder is told its width, and the features are given. Encoding text and decoding
    pixels are not measured on any side.

    Args:
        size: how large.
    """

    def __init__(self, size: Size) -> None:
        from muse_maskgit_pytorch import MaskGit, MaskGitTransformer, VQGanVAE, muse_maskgit_pytorch, t5

        t5.T5_CONFIGS[t5.DEFAULT_T5_NAME] = {"config": SimpleNamespace(d_model=size.word_dim)}
        muse_maskgit_pytorch.tqdm = lambda iterable, **options: iterable
        torch.manual_seed(0)
        self.size = size
        self.transformer = MaskGitTransformer(
            num_tokens=size.vocab,
            seq_len=size.grid**2,
            dim=size.dim,
            depth=size.depth,
            dim_head=size.head_dim,
            heads=size.heads,
        )
        # The constructor wants a tokenizer; the smallest one does.
        vae = VQGanVAE(dim=16, layers=1, codebook_size=size.vocab, use_vgg_and_gan=False)
        self.model = MaskGit(image_size=2 * size.grid, transformer=self.transformer, vae=vae, cond_drop_prob=0.25)
        features = torch.randn(1, size.frames * size.words, size.word_dim).expand(size.frames, -1, -1)
        self.features = features.contiguous()
        self.ids = torch.randint(size.vocab, (size.frames, size.grid, size.grid))
        self.transformer.encode_text = lambda texts: self.features
        self.model.vae.decode_from_ids = lambda ids: ids

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in self.transformer.parameters())

    def training(self, mode: Mode) -> Callable[[], None]:
        """Training steps: forward, backward, AdamW, which is torch's default as released and fused in other modes."""
        self.model.train()
        optimizer = torch.optim.AdamW(self.transformer.parameters(), lr=1e-3, fused=mode != "as released")

        def step() -> None:
            optimizer.zero_grad()
            with self._computing(mode):
                self.model(self.ids, text_embeds=self.features).backward()
            optimizer.step()

        return step

    def sampling(self, mode: Mode, steps: int) -> Callable[[], Tensor]:
        """Draw the story with cond_scale 3, two passes a step."""

        def draw() -> Any:
            with self._computing(mode):
                return self.model.generate([""] * self.size.frames, timesteps=steps, cond_scale=3)

        return draw

    @contextmanager
    def _computing(self, mode: Mode) -> Iterator[None]:
        from muse_maskgit_pytorch.attend import Attend

        for module in self.transformer.modules():
            if isinstance(module, Attend):
                module.flash = mode == "as released"
        before = torch.get_float32_matmul_precision()
        if mode == "medium":
            torch.set_float32_matmul_precision("medium")
        try:
            with torch.autocast("cpu", torch.bfloat16, enabled=mode == "bf16"):
                yield
        finally:
            torch.set_float32_matmul_precision(before)
