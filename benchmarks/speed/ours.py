"""gst's side: priors `maskgst` and `maskgst-textfirst`, sampler `maskgit`, guidances, all through the registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, cast

import torch

import gst
from gst.batch import StoryBatch
from gst.cast import Cast, Character
from gst.condition import Condition, Text, TextSpec
from gst.kinds import Prior, Sampler
from gst.latents import Latents, LatentSpec
from gst.noise import Noise
from gst.runtime import Runtime
from gst.training.optimizers import PhaseOptimizer
from gst.training.settings import Settings

from .size import Size

Guide = Literal["cfg", "character", "none"]


class Ours:
    """A MaskGST of random weights, and one story to train on or to draw.

    Activation and norms are those of the default recipe; the number of weights is the same as with the prior's own.

    Args:
        size: how large.
        prior: the name it is registered under.
        characters: cast size C, one row a frame each; half of them are in the picture. 0: the others have no such rows.
    """

    def __init__(self, size: Size, *, prior: str = "maskgst", characters: int = 0) -> None:
        torch.manual_seed(0)
        self.size = size
        self.latents = LatentSpec("ids", (size.grid, size.grid), size.vocab)
        options: dict[str, Any] = {
            "dim": size.dim,
            "heads": size.heads,
            "head_dim": size.head_dim,
            "layers": ["full", "full", *["self"] * size.depth][: size.depth],
            "activation": "silu",
            "qk_norm": False,
            "characters": characters > 0,
            "latents": self.latents,
            "text": TextSpec("features", size.words, dim=size.word_dim),
            "cast": Cast([Character(f"c{i}") for i in range(characters)]),
        }
        self.prior = cast(Prior, gst.build("prior", prior, **options))
        rows = torch.randn(1, size.frames, size.words, size.word_dim)
        self.condition = Condition(
            ids=("story",),
            frame_mask=torch.ones(1, size.frames, dtype=torch.bool),
            text=Text(rows, torch.ones(rows.shape[:3], dtype=torch.bool)),
            characters=(torch.arange(characters) % 2 == 0).expand(1, size.frames, -1) if characters else None,
        )
        ids = torch.randint(size.vocab, (1, size.frames, size.grid, size.grid))
        self.batch = StoryBatch(
            ids=("story",),
            captions=[[""] * size.frames],
            frame_mask=self.condition.frame_mask,
            latents={"target": Latents(ids, self.latents)},
            condition=self.condition,
        )

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in self.prior.parameters())

    def training(self, precision: Any) -> Callable[[], None]:
        """Training steps: forward, backward, AdamW."""
        runtime = Runtime("cpu", precision)
        self.prior.train()
        (phase,) = self.prior.phases()
        optimizer = PhaseOptimizer(self.prior, phase, Settings(steps=1), bf16=precision == "bf16")
        generator = torch.Generator().manual_seed(0)

        def step() -> None:
            optimizer.zero_grad()
            with runtime.autocast():
                loss = self.prior.loss(self.batch, phase.name, 0, generator)["loss"]
            runtime.backward(loss)
            optimizer.step()

        return step

    def sampling(self, precision: Any, steps: int, guidance: Guide = "cfg") -> Callable[[], Latents]:
        """Draw the story. "cfg": 3 text - 2 null, which Muse calls a cond_scale of 3; "character": CG+-; "none"."""
        runtime = Runtime("cpu", precision)
        self.prior.eval()
        guide = gst.build("guidance", guidance, **({"scale": 2.0} if guidance == "cfg" else {}))
        sampler = cast(Sampler, gst.build("sampler", "maskgit", steps=steps, guidance=guide))
        noise = Noise(0, self.condition.ids, self.size.frames)

        def draw() -> Latents:
            with runtime.autocast():
                return sampler.sample(self.prior, self.condition, noise)

        return draw
