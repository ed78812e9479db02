"""Step `sample`: draws the stories of a split."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from torch import Tensor

from gst.artifacts import Pictures
from gst.batch import collate, to_uint8
from gst.editing import SEES_NO_FRAMES, keep_first
from gst.errors import DataError
from gst.kinds import Estimate, Prior, Sampler, Step, StorySet, Tokenizer
from gst.matching import check_keeps
from gst.pipeline import StoryPipeline
from gst.steps.chunks import as_pictures, count_stories, frames_in_chunks
from gst.story import Story

if TYPE_CHECKING:
    from gst.context import StepContext


class Sample(Step):
    """Draws stories from their captions: condition, sampler, tokenizer.

    The model is told the captions alone, in the way it was trained on (`Prior.conditioner`), and the labels only where
    that says so. The noise of a story depends on the step's seed and the story's id: how many stories are drawn, and in
    which micro-batches, changes no draw.

    Args:
        prior: the trained prior.
        tokenizer: the trained tokenizer that the prior's latents come from.
        sampler: how to draw, with its guidance.
        data: the split whose captions are drawn.
        stories: how many, from its start; all by default.
        batch_size: stories a micro-batch; the last one is filled up, so that shapes never vary.
        given_frames: real frames that each story begins with and the model goes on from (story continuation: 1). They
            are no work of the model, and are not scored.
    """

    outputs: ClassVar[dict[str, type]] = {"pictures": Pictures}

    def __init__(
        self,
        *,
        prior: Prior,
        tokenizer: Tokenizer,
        sampler: Sampler,
        data: StorySet,
        stories: int | None = None,
        batch_size: int = 8,
        given_frames: int = 0,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; it must be at least 1")
        if given_frames < 0:
            raise ValueError(f"given_frames is {given_frames}; it must be 0 or more")
        self.prior, self.tokenizer, self.sampler = prior, tokenizer, sampler
        self.data, self.stories, self.batch_size = data, stories, batch_size
        self.given_frames = given_frames

    def run(self, context: StepContext) -> dict[str, Any]:
        """Draw them. A killed run goes on after the last finished micro-batch."""
        total = count_stories(self.data, self.stories)
        pipe = StoryPipeline(self.tokenizer, self.prior, self.sampler, runtime=context.runtime)
        if self.given_frames:
            self._check_given(total)
            if not self.prior.sees_frames:
                context.progress.say(f"{context.name}: {SEES_NO_FRAMES}: given_frames changes nothing in the others")
        told, frames = frames_in_chunks(
            context,
            self.data,
            doing="drawing stories",
            total=total,
            size=self.batch_size,
            make=lambda stories: self._draw(pipe, stories, context.seed),
        )
        about = {"seed": context.seed, **pipe.signature()}
        if self.given_frames:
            about["given_frames"] = self.given_frames
        return {"pictures": as_pictures(self.data, told, frames, about, given=self.given_frames)}

    def probe(self, context: StepContext) -> Estimate:
        """Time of one story, drawn a second time, times their number."""
        total = count_stories(self.data, self.stories)
        pipe = StoryPipeline(self.tokenizer, self.prior, self.sampler, runtime=context.runtime)
        one = [self.data[0]]
        frames = self._draw(pipe, one, context.seed)
        started = time.monotonic()
        self._draw(pipe, one, context.seed)
        return Estimate(seconds=(time.monotonic() - started) * total, disk=2 * frames[0].numel() * total)

    def stand_in(self, context: StepContext) -> dict[str, Any]:
        """Black frames for one micro-batch."""
        stories = [self.data[i] for i in range(min(self.batch_size, count_stories(self.data, self.stories)))]
        shape = (len(stories), self.data.dataset.frames_per_story, 3, *self.data.dataset.frame_size)
        return {"pictures": as_pictures(self.data, stories, np.zeros(shape, np.uint8), {})}

    def _draw(self, pipe: StoryPipeline, stories: Sequence[Story], seed: int) -> Tensor:
        batch = collate(stories, length=self.data.dataset.frames_per_story)
        condition = pipe.conditioner(batch.ids, batch.captions, batch.frame_mask, batch.characters)
        kept = None
        if self.given_frames:
            assert batch.frames is not None  # collate always gives frames
            kept = keep_first(to_uint8(batch.frames), self.given_frames)
        return pipe.draw(condition, seed, kept)

    def _check_given(self, total: int) -> None:
        check_keeps(self.sampler)
        for index in range(total):
            if (count := len(self.data.captions(index))) <= self.given_frames:
                raise DataError(
                    f"given_frames is {self.given_frames}, and story {index} of split '{self.data.name}' has {count} "
                    "frames: nothing would be left to be drawn",
                    hint="Give fewer frames.",
                )
