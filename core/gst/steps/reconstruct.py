"""Step `reconstruct`: real frames through the tokenizer, the ceiling of every prior on it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from gst.artifacts import Pictures
from gst.batch import collate, to_uint8
from gst.kinds import Estimate, Step, StorySet, Tokenizer
from gst.runtime import Runtime
from gst.signatures import describe, weights_hash
from gst.steps.chunks import as_pictures, count_stories, frames_in_chunks
from gst.story import Story

if TYPE_CHECKING:
    from gst.context import StepContext


class Reconstruct(Step):
    """Encodes and decodes the frames of a split.

    Args:
        tokenizer: the trained tokenizer.
        data: the split.
        stories: how many, from its start; all by default.
        batch_size: stories a micro-batch; the last one is filled up, so that shapes never vary.
    """

    outputs: ClassVar[dict[str, type]] = {"pictures": Pictures}

    def __init__(
        self, *, tokenizer: Tokenizer, data: StorySet, stories: int | None = None, batch_size: int = 16
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; it must be at least 1")
        self.tokenizer, self.data = tokenizer, data
        self.stories, self.batch_size = stories, batch_size

    def run(self, context: StepContext) -> dict[str, Any]:
        """Encode and decode them. A killed run goes on after the last finished micro-batch."""
        stories, frames = frames_in_chunks(
            context,
            self.data,
            doing="reconstructing stories",
            total=count_stories(self.data, self.stories),
            size=self.batch_size,
            make=lambda stories: self._reconstruct(context.runtime, stories),
        )
        about = {"tokenizer": describe(self.tokenizer), "weights": weights_hash(self.tokenizer)}
        return {"pictures": as_pictures(self.data, stories, frames, about)}

    def probe(self, context: StepContext) -> Estimate:
        """Time of one story, times their number."""
        total = count_stories(self.data, self.stories)
        started = time.monotonic()
        frames = self._reconstruct(context.runtime, [self.data[0]])
        return Estimate(seconds=(time.monotonic() - started) * total, disk=2 * frames[0].numel() * total)

    def _reconstruct(self, runtime: Runtime, stories: Sequence[Story]) -> Tensor:
        batch = collate(stories, length=self.data.dataset.frames_per_story)
        tokenizer = self.tokenizer.to(runtime.device).eval()
        with torch.no_grad(), runtime.autocast():
            frames = tokenizer.decode(tokenizer.encode_stories(batch.to(runtime.device)))
        return to_uint8(frames).cpu() * batch.frame_mask[:, :, None, None, None]
