from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

import gst
from gst.artifacts import Tokens
from gst.batch import StoryBatch
from gst.cast import Cast, Character
from gst.conditioner import Conditioner
from gst.latents import LatentSpec
from gst.training import StorySource

SPEC = LatentSpec("ids", (2, 3), vocab=7)
CAST = Cast([Character("Ann"), Character("Bob"), Character("Cleo")])
SMALL = {"dim": 16, "heads": 2, "head_dim": 8}
CAPTIONS = ["Ann is here.", "Bob sees Ann.", "Nobody.", "Cleo sleeps.", "Bob and Cleo sing."]


class World:
    """Stories of one to three frames, whose tokens are all the same within a frame: what a prior that has learned
    nothing draws is told from them by looking at the other tokens."""

    spec, cast = SPEC, CAST

    def __init__(self) -> None:
        self.text: Any = gst.build("text", "bpe", vocab_size=300, length=12)
        self.text.fit(CAPTIONS)
        self.conditioner = Conditioner(self.text, CAST)

    def tokens(self, count: int = 24) -> Tokens:
        rng = np.random.default_rng(0)
        lengths = rng.integers(1, 4, count)
        data = np.zeros((count, 3, *SPEC.grid), np.uint8)
        for story, length in zip(data, lengths, strict=True):
            story[:length] = rng.integers(SPEC.vocab, size=(length, 1, 1))
        captions = [[CAPTIONS[i] for i in rng.integers(len(CAPTIONS), size=length)] for length in lengths]
        return Tokens(SPEC, [f"s{i}" for i in range(count)], captions, data, None, CAST, "")

    def source(self, batch_size: int = 8) -> StorySource:
        return StorySource(self.tokens(), batch_size=batch_size, seed=0, conditioner=self.conditioner)

    def batch(self, stories: Sequence[int] = range(8)) -> StoryBatch:
        return self.source().of(list(stories))

    @property
    def bound(self) -> dict[str, Any]:
        return {"latents": SPEC, "text": self.text.spec, "cast": CAST}

    def prior(self, **options: Any) -> Any:
        """A tiny MaskGST that knows how it is told, in eval mode, with weights that let every input through."""
        torch.manual_seed(0)
        prior: Any = gst.build("prior", "maskgst", **{**SMALL, "layers": ["full", "self"], **self.bound, **options})
        prior.conditioner = self.conditioner
        return scrambled(prior).eval()

    def critic(self, name: str, *, scramble: bool = False, **options: Any) -> Any:
        torch.manual_seed(0)
        bound = {k: v for k, v in self.bound.items() if name == "token-critic" or k != "text"}
        critic: Any = gst.build("critic", name, **{**SMALL, **bound, **options})
        if scramble:
            scrambled(critic.network)
        return critic


def scrambled(module: torch.nn.Module) -> torch.nn.Module:
    """Layers begin as the identity; with these weights every row that is seen changes what comes out."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.3 if parameter.ndim > 1 else 1.0, generator=generator)
    return module


@pytest.fixture(scope="session")
def world() -> World:
    return World()
