"""What is random in a training step of a masked prior: which tokens are masked, and what the model is not told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gst.condition import Condition, Text
from gst_maskgst.schedules import Schedule, masked_count, masked_share


def draw_mask(
    schedule: Schedule, latest: float, shape: tuple[int, int, int], shared: bool, generator: torch.Generator
) -> Tensor:
    """Masked visual token modelling (thesis, 6.2.3): ceil(gamma(r) N) tokens of every frame, uniformly chosen.

    Args:
        schedule: gamma.
        latest: r is uniform on [0, latest].
        shape: (B, T, N).
        shared: one r a story instead of one a frame.
        generator: the source of randomness; the result is on its device.

    Returns:
        bool (B, T, N), True where masked; at least one a frame.
    """
    stories, frames, tokens = shape
    r = torch.rand(stories, 1 if shared else frames, 1, generator=generator, device=generator.device) * latest
    count = masked_count(masked_share(schedule, r, tokens), tokens).clamp_min(1)
    rank = torch.rand(shape, generator=generator, device=generator.device).argsort(-1).argsort(-1)
    return rank < count


@dataclass(frozen=True)
class Drops:
    """How often training hides what a model is told.

    Args:
        text_frame: share of frames whose caption is dropped, each on its own.
        text_story: share of stories that lose all captions.
        characters: share of stories that lose all characters.
        all: share of stories that lose captions and characters together.
    """

    text_frame: float
    text_story: float
    characters: float
    all: float

    def apply(self, condition: Condition, generator: torch.Generator) -> Condition:
        """`condition` with something hidden. The number of draws does not depend on the rates."""
        frames = torch.rand(condition.frame_mask.shape, generator=generator, device=generator.device)
        stories = torch.rand(3, condition.batch, 1, generator=generator, device=generator.device)
        whole = stories[2] < self.all
        device = condition.frame_mask.device
        no_text = ((frames < self.text_frame) | (stories[0] < self.text_story) | whole).to(device)
        no_characters = ((stories[1] < self.characters) | whole).expand_as(frames).to(device)
        return condition.without_text(no_text).without_characters(no_characters)


# oneDNN compiles a kernel for every shape it meets and keeps it: a new length at every step fills gigabytes.
_ROWS = 8


def trim(condition: Condition) -> Condition:
    """Cut text rows that are padding in every caption of the batch, by blocks of 8. Changes no prediction."""
    if condition.text is None:
        return condition
    used = condition.text.mask.flatten(0, 1).any(0).nonzero()
    longest = int(used[-1]) + 1 if len(used) else 1
    length = min(-(-longest // _ROWS) * _ROWS, condition.text.mask.shape[-1])
    return replace(condition, text=Text(condition.text.data[:, :, :length], condition.text.mask[:, :, :length]))


@contextmanager
def seeded_dropout(rate: float, generator: torch.Generator, device: torch.device) -> Iterator[None]:
    """Dropout draws from torch's global state: seed that from `generator` for a while, so that resumed runs repeat."""
    if not rate:
        yield
        return
    seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
