from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from gst.batch import StoryBatch
from gst.cast import Cast, Character
from gst.condition import Condition, Text, TextSpec
from gst.kinds import MaskedPrior, Sampler
from gst.latents import Latents, LatentSpec
from gst.noise import Noise
from gst_maskgst.prior import MaskGST

SPEC = LatentSpec("ids", (2, 3), vocab=11)
TEXT = TextSpec("ids", length=7, vocab=20)
CAST = Cast([Character("Ann"), Character("Bob"), Character("Cleo")])


def make_prior(*, scramble: bool = True, cls: type[MaskGST] = MaskGST, **options: Any) -> MaskGST:
    """A tiny MaskGST, or one of its kin. Scrambled: layers begin as the identity otherwise, and nothing could leak."""
    torch.manual_seed(0)
    bound = {"latents": SPEC, "text": TEXT, "cast": CAST}
    sizes: dict[str, Any] = {"dim": 32, "heads": 2, "head_dim": 16, "layers": ("full", "self", "sv")}
    prior = cls(**{**sizes, **bound, **options})
    if scramble:
        with torch.no_grad():
            for parameter in prior.parameters():
                parameter.normal_(std=0.3 if parameter.ndim > 1 else 1.0)
    return prior.eval()


def make_condition(lengths: list[int], *, words: int = 4, frames: int | None = None, seed: int = 0) -> Condition:
    """Stories of these lengths, captions of 1 to `words` tokens, random characters."""
    generator = torch.Generator().manual_seed(seed)
    stories, frames = len(lengths), frames or max(lengths)
    shape = (stories, frames, TEXT.length)
    used = torch.randint(1, words + 1, (stories, frames, 1), generator=generator)
    mask = torch.arange(TEXT.length) < used
    real = torch.arange(frames) < torch.tensor(lengths)[:, None]
    mask = mask & real[..., None]
    data = torch.randint(1, TEXT.vocab, shape, generator=generator) * mask
    characters = torch.rand(stories, frames, len(CAST), generator=generator) < 0.4
    return Condition(
        ids=tuple(f"story-{i}" for i in range(stories)),
        frame_mask=real,
        text=Text(data, mask),
        characters=characters & real[..., None],
    )


def make_batch(condition: Condition, seed: int = 0) -> StoryBatch:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(SPEC.vocab, (condition.batch, condition.frames, *SPEC.grid), generator=generator)
    return StoryBatch(
        ids=condition.ids,
        captions=[[""] * condition.frames for _ in condition.ids],
        frame_mask=condition.frame_mask,
        latents={"target": Latents(ids, SPEC)},
        condition=condition,
    )


@pytest.fixture
def prior() -> Callable[..., MaskGST]:
    return make_prior


@pytest.fixture
def condition() -> Callable[..., Condition]:
    return make_condition


@pytest.fixture
def batch() -> Callable[..., StoryBatch]:
    return make_batch


class Table(MaskedPrior):
    """Logits from a table by place, moved by how many tokens of the frame are masked; notes what it was asked."""

    def __init__(self, table: Tensor, grid: tuple[int, int] = (2, 8), sway: float = 0.0) -> None:
        super().__init__()
        self.latents = LatentSpec("ids", grid, table.shape[-1])
        self.table, self.sway = table.view(*grid, -1), sway
        self.seen: list[Tensor] = []
        self.times: list[float] = []

    def begin(self, condition: Condition) -> Any:
        return None

    def predict(self, state: Any, x: Tensor, t: float) -> tuple[Tensor, Any]:
        self.seen.append(x.clone())
        self.times.append(t)
        masked = (x == self.mask_id).float().mean((2, 3))[..., None, None, None]
        return self.table * (1 + self.sway * masked), state

    def loss(self, batch: StoryBatch, phase: str, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        raise NotImplementedError


@pytest.fixture
def table() -> Callable[..., Table]:
    """`table(sway=0.3)`: a `Table` of random logits for 2 x 8 places and 20 ids; other logits by `table(logits)`."""

    def make(logits: Tensor | None = None, **options: Any) -> Table:
        if logits is None:
            logits = 2 * torch.randn(16, 20, generator=torch.Generator().manual_seed(0))
        return Table(logits, **options)

    return make


@pytest.fixture
def blank() -> Callable[..., Condition]:
    """`blank(2, 3)`: two stories of three frames of which nothing is told."""

    def make(stories: int = 2, frames: int = 3) -> Condition:
        return Condition(tuple(f"s{i}" for i in range(stories)), torch.ones(stories, frames, dtype=torch.bool))

    return make


@pytest.fixture
def draw() -> Callable[..., Tensor]:
    """`draw(sampler, prior, told, seed=0)`: the ids that are drawn."""

    def sample(sampler: Sampler, prior: MaskedPrior, told: Condition, seed: int = 0, **known: Any) -> Tensor:
        return sampler.sample(prior, told, Noise(seed, told.ids, told.frames), **known).data

    return sample
