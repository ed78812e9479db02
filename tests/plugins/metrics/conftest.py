"""Stories whose pictures say in their pixels what they show, and a scorer that reads just that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gst.batch import StoryBatch, collate
from gst.cast import Cast, Character
from gst.kinds import Scorer
from gst.story import Story

CAST = Cast([Character("Ann", ("girl",)), Character("Bob"), Character("Cid"), Character("Dot")])
PLACES, POSITIONS, SIZE = 3, 2, 16


class PixelScorer(Scorer):
    """Reads row 0 (characters), row 1 (place) and rows 2 to 5 (positions); its features are the rows from 8 on."""

    use = "pixels"
    cast = CAST
    resize = "none (16x16)"

    def __init__(self, sharpness: float = 1.0) -> None:
        super().__init__()
        self.sharpness = torch.nn.Parameter(torch.tensor(sharpness))
        self.calls = 0
        self.eval()

    def score(self, frames: Tensor) -> dict[str, Tensor]:
        self.calls += 1
        code = frames[:, 0] * self.sharpness
        return {
            "features": frames[:, 1, 8:, :4].flatten(1),
            "characters": code[:, 0, : len(CAST)],
            "place": code[:, 1, :PLACES],
            "position": code[:, 2 : 2 + len(CAST), : POSITIONS + 1],
        }

    def loss(self, batch: StoryBatch, phase: str, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        return {"loss": self.sharpness.square()}


def picture(characters: Any, place: int, position: Any, texture: Any) -> np.ndarray[Any, Any]:
    """uint8 (3, 16, 16) that PixelScorer reads as this."""
    frame = np.zeros((3, SIZE, SIZE), np.uint8)
    frame[0, 0, : len(CAST)] = np.where(characters, 255, 0)
    frame[0, 1, place] = 255
    for c, p in enumerate(position):
        frame[0, 2 + c, p + 1] = 255
    frame[1, 8:, :4] = texture
    return frame


class World:
    """Random stories, and random pictures for them."""

    def __init__(self, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)

    def story(self, name: str, length: int) -> Story:
        characters = self.random.random((length, len(CAST))) < 0.5
        place = self.random.integers(0, PLACES, length)
        position = np.where(characters, self.random.integers(0, POSITIONS, characters.shape), -1)
        named = characters & (self.random.random(characters.shape) < 0.7)
        return Story(
            name,
            tuple(" and ".join(n for n, is_named in zip(CAST.names, row, strict=True) if is_named) for row in named),
            self.frames(characters, place, position),
            characters,
            {
                "place": place,
                "place_told": self.random.random(length) < 0.5,
                "position": position,
                "pronoun_only": characters & ~named,
            },
        )

    def stories(self, count: int, lengths: Sequence[int] = (1, 2, 3, 5)) -> list[Story]:
        return [self.story(f"s{i}", int(self.random.choice(lengths))) for i in range(count)]

    def frames(self, characters: Any, place: Any, position: Any) -> np.ndarray[Any, Any]:
        texture = self.random.integers(0, 256, (len(place), 8, 4))
        return np.stack([picture(*row) for row in zip(characters, place, position, texture, strict=True)])

    def drawn(self, story: Story, error: float) -> np.ndarray[Any, Any]:
        """Frames where each truth is wrong with probability `error`."""
        shape = story.characters.shape  # type: ignore[union-attr]
        characters = story.characters ^ (self.random.random(shape) < error)
        place = story.extras["place"]
        place = np.where(self.random.random(place.shape) < error, (place + 1) % PLACES, place)
        position = story.extras["position"]
        moved = self.random.integers(-1, POSITIONS, shape)
        position = np.where(self.random.random(shape) < error, moved, position)
        return self.frames(characters, place, position)


def pad(frames: Sequence[np.ndarray[Any, Any]], length: int) -> Tensor:
    """Frames of B stories as float (B, T, ...), random at padding."""
    out = np.random.default_rng(9).integers(0, 256, (len(frames), length, *frames[0].shape[1:])).astype(np.uint8)
    for i, story in enumerate(frames):
        out[i, : len(story)] = story
    return torch.from_numpy(out).float() / 127.5 - 1


def feed(
    metric: Any,
    stories: Sequence[Story],
    frames: Sequence[np.ndarray[Any, Any]],
    size: int = 3,
    length: int | None = None,
) -> Any:
    """Update `metric` with batches of `size` stories, and return it."""
    for first in range(0, len(stories), size):
        batch = collate(stories[first : first + size], length)
        metric.update(batch, pad(frames[first : first + size], batch.frame_mask.shape[1]))
    return metric


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def scorer() -> PixelScorer:
    return PixelScorer()


@pytest.fixture
def new_scorer() -> Callable[..., PixelScorer]:
    return PixelScorer


@pytest.fixture(name="feed")
def feed_fixture() -> Callable[..., Any]:
    return feed
