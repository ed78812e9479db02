"""Where training batches come from: a split of stories, or tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import torch

from gst.artifacts import Tokens
from gst.batch import StoryBatch, collate
from gst.conditioner import Conditioner
from gst.errors import DataError
from gst.kinds.dataset import StorySet
from gst.latents import Latents
from gst.stages import StageTokens
from gst.story import Story
from gst.training.alternatives import Alternatives
from gst.training.cache import cached
from gst.training.conditions import Conditions, captions_of
from gst.training.order import Order

__all__ = ["StorySource", "Unit", "cached"]

Unit = Literal["story", "frame"]


class StorySource:
    """Batches by number: the batch of a step depends on (data, seed, stream, step) alone.

    The stream "data" draws examples of `unit`; a phase may also ask for "frames" or "stories", each with an order of
    its own; any other name is the same examples as "data" in an order of its own.

    Args:
        data: stories with frames, or tokens.
        batch_size: examples a batch.
        seed: of the order.
        unit: "frame" makes every single frame an example, a story with T = 1: a batch is then mixed over more stories.
        conditioner: makes what the model is told; None leaves `StoryBatch.condition` empty.
        stories: how many stories to use, from the start; all by default.
        alternatives: captions that the model is told now and then instead of a story's own.
        given: other stages' latents of the same stories, by name, for `Condition.given`.

    Raises:
        DataError: there is no story, or what is given is not of these stories.
    """

    def __init__(
        self,
        data: StorySet | Tokens,
        *,
        batch_size: int,
        seed: int,
        unit: Unit = "story",
        conditioner: Conditioner | None = None,
        stories: int | None = None,
        alternatives: Alternatives | None = None,
        given: Mapping[str, Tokens] | None = None,
    ) -> None:
        self.stories = len(data) if stories is None else min(stories, len(data))
        if self.stories == 0:
            raise DataError("there is no story to train on: the split is empty")
        self.data = data if isinstance(data, Tokens) else cached(data)
        self.batch_size, self.seed, self.unit = batch_size, seed, unit
        self.conditions = None if conditioner is None else Conditions(conditioner, self.data, alternatives)
        self.given = StageTokens(given or {})
        if given:
            self.given.require(self._named(range(self.stories)))
        self._orders: dict[str, Order] = {}
        self._starts: np.ndarray[tuple[int], np.dtype[np.int64]] | None = None

    def batch(self, step: int, stream: str = "data", part: int = 0, parts: int = 1) -> StoryBatch:
        """Part `part` of the `parts` equal parts of the batch of `step`."""
        unit: Unit = {"frames": "frame", "stories": "story"}.get(stream, self.unit)  # type: ignore[assignment]
        if stream not in self._orders:
            count = self.stories if unit == "story" else int(self._frame_starts()[-1])
            self._orders[stream] = Order(count, self.seed, stream)
        size = self.batch_size // parts
        order, first = self._orders[stream], step * self.batch_size + part * size
        picked = order.take(first, size)
        epochs = [position // order.count for position in range(first, first + size)]
        if unit == "story":
            return self.of(picked, epochs=epochs)
        starts = self._frame_starts()
        stories = [int(np.searchsorted(starts, p, side="right")) - 1 for p in picked]
        return self.of(stories, [p - int(starts[s]) for p, s in zip(picked, stories, strict=True)], epochs)

    def of(
        self, stories: Sequence[int], frames: Sequence[int] | None = None, epochs: Sequence[int] | None = None
    ) -> StoryBatch:
        """The stories at these indices, or one frame of each as a story with T = 1.

        `epochs`, one an example, decide which captions are told where there are alternatives; without them it is the
        stories' own.
        """
        if isinstance(self.data, Tokens):
            batch = self.data.batch(stories)
            if frames is not None:
                batch = _single_frames(batch, frames)
        elif frames is None:
            batch = collate([self.data[i] for i in stories])
        else:
            batch = collate([frame_of(self.data[i], t) for i, t in zip(stories, frames, strict=True)])
        if self.conditions is not None:
            self.conditions.tell(batch, stories, frames, epochs)
        if batch.condition is not None and self.given.tokens:
            batch.condition = replace(batch.condition, given=self._given(stories, frames))
        return batch

    def _given(self, stories: Sequence[int], frames: Sequence[int] | None) -> dict[str, Latents]:
        length = max(len(captions_of(self.data, i)) for i in stories)
        given = self.given.of(self._named(stories), length)
        if frames is None:
            return given
        rows, picked = torch.arange(len(stories)), torch.as_tensor(frames)
        return {name: Latents(latents.data[rows, picked][:, None], latents.spec) for name, latents in given.items()}

    def _named(self, stories: Sequence[int]) -> Iterator[tuple[str, Sequence[str]]]:
        names = self.data.ids.__getitem__ if isinstance(self.data, Tokens) else self.data.id
        return ((names(i), captions_of(self.data, i)) for i in stories)

    def _frame_starts(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        if self._starts is None:
            lengths = [len(captions_of(self.data, i)) for i in range(self.stories)]
            self._starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return self._starts


def frame_of(story: Story, t: int) -> Story:
    """Frame `t` of a story as a story with T = 1."""
    extras = {}
    for name, array in story.extras.items():
        array = np.asarray(array)
        extras[name] = array[t : t + 1] if array.ndim and len(array) == len(story) else array
    return Story(
        id=f"{story.id}#{t}",
        captions=story.captions[t : t + 1],
        frames=story.frames[t : t + 1],
        characters=None if story.characters is None else story.characters[t : t + 1],
        extras=extras,
    )


def _single_frames(batch: StoryBatch, frames: Sequence[int]) -> StoryBatch:
    rows, picked = torch.arange(len(frames)), torch.as_tensor(frames)
    return StoryBatch(
        ids=tuple(f"{i}#{t}" for i, t in zip(batch.ids, frames, strict=True)),
        captions=[[c[t]] for c, t in zip(batch.captions, frames, strict=True)],
        frame_mask=torch.ones(len(frames), 1, dtype=torch.bool),
        characters=None if batch.characters is None else batch.characters[rows, picked][:, None],
        latents={n: Latents(latents.data[rows, picked][:, None], latents.spec) for n, latents in batch.latents.items()},
    )
