"""Step `sample`: draws the stories of a split."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from gst.artifacts import Pictures, Tokens
from gst.batch import collate, to_uint8
from gst.editing import SEES_NO_FRAMES, keep_first
from gst.errors import DataError, UsageError
from gst.kinds import Estimate, Prior, Sampler, Step, StorySet, Tokenizer
from gst.matching import check_given, check_keeps
from gst.pipeline import StoryPipeline
from gst.stages import StageTokens
from gst.steps.chunks import arrays_in_chunks, as_pictures, count_stories
from gst.steps.tokenize import stored_dtype
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
        given: tokens of other stages for these stories, by the name under which the prior takes them: those that a base
            model has drawn, `{low: $drawn_low.tokens}`, for super-resolution.
        data: the split whose captions are drawn.
        stories: how many, from its start; all by default.
        batch_size: stories a micro-batch; the last one is filled up, so that shapes never vary.
        given_frames: real frames that each story begins with and the model goes on from (story continuation: 1). They
            are no work of the model, and are not scored.
    """

    outputs: ClassVar[dict[str, type]] = {"pictures": Pictures, "tokens": Tokens}

    def __init__(
        self,
        *,
        prior: Prior,
        tokenizer: Tokenizer,
        sampler: Sampler,
        given: dict[str, Tokens] = {},  # noqa: B006
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
        self.given_frames, self.given = given_frames, StageTokens(given)

    def run(self, context: StepContext) -> dict[str, Any]:
        """Draw them. A killed run goes on after the last finished micro-batch."""
        total = count_stories(self.data, self.stories)
        pipe = StoryPipeline(self.tokenizer, self.prior, self.sampler, runtime=context.runtime)
        self._check_stages(total)
        if self.given_frames:
            self._check_given(total)
            if not self.prior.sees_frames and not self.given.tokens:
                context.progress.say(f"{context.name}: {SEES_NO_FRAMES}: given_frames changes nothing in the others")
        told, drawn = arrays_in_chunks(
            context,
            self.data,
            doing="drawing stories",
            total=total,
            size=self.batch_size,
            shape=(),
            dtype=self._record,
            make=lambda stories: self._draw(pipe, stories, context.seed),
        )
        about = {"seed": context.seed, **pipe.signature()}
        if self.given.tokens:
            about["given"] = self.given.describe()
        if self.given_frames:
            about["given_frames"] = self.given_frames
        return self._outputs(told, drawn, about)

    def probe(self, context: StepContext) -> Estimate:
        """Time of one story, drawn a second time, times their number."""
        total = count_stories(self.data, self.stories)
        pipe = StoryPipeline(self.tokenizer, self.prior, self.sampler, runtime=context.runtime)
        one = [self.data[0]]
        drawn = self._draw(pipe, one, context.seed)
        started = time.monotonic()
        self._draw(pipe, one, context.seed)
        return Estimate(seconds=(time.monotonic() - started) * total, disk=2 * drawn.nbytes * total)

    def stand_in(self, context: StepContext) -> dict[str, Any]:
        """Black frames, and tokens all alike, for one micro-batch."""
        stories = [self.data[i] for i in range(min(self.batch_size, count_stories(self.data, self.stories)))]
        return self._outputs(stories, np.zeros(len(stories), self._record), {})

    @property
    def _record(self) -> np.dtype[Any]:
        """What is kept of one story: its frames and their latents."""
        spec, frames = self.tokenizer.spec, self.data.dataset.frames_per_story
        latents = spec.grid if spec.kind == "ids" else (spec.channels, *spec.grid)
        return np.dtype(
            [
                ("frames", np.uint8, (frames, 3, *spec.frame_size)),
                ("latents", stored_dtype(spec), (frames, *latents)),
            ]
        )

    def _draw(self, pipe: StoryPipeline, stories: Sequence[Story], seed: int) -> NDArray[Any]:
        batch = collate(stories, length=self.data.dataset.frames_per_story)
        condition = pipe.conditioner(batch.ids, batch.captions, batch.frame_mask, batch.characters)
        given = self.given.of([(s.id, s.captions) for s in stories], condition.frames)
        kept = None
        if self.given_frames:
            assert batch.frames is not None  # collate always gives frames
            kept = keep_first(to_uint8(batch.frames), self.given_frames)
        latents = pipe.latents(replace(condition, given=given), seed, kept)
        frames = pipe.decode(latents, batch.frame_mask)
        drawn = np.zeros(len(stories), self._record)
        drawn["frames"] = frames if kept is None else kept.over(frames)
        drawn["latents"] = latents.data.cpu().float() if latents.spec.kind == "float" else latents.data.cpu()
        drawn["latents"][~batch.frame_mask.numpy()] = 0
        return drawn

    def _outputs(self, told: Sequence[Story], drawn: NDArray[Any], about: dict[str, Any]) -> dict[str, Any]:
        pictures = as_pictures(self.data, told, drawn["frames"], about, given=self.given_frames)
        tokens = Tokens(
            spec=self.tokenizer.spec,
            ids=pictures.ids,
            captions=pictures.captions,
            data=drawn["latents"],
            characters=None,  # nobody knows who can be seen in what was drawn
            cast=self.data.dataset.cast,
            source=pictures.source,
            about=about,
        )
        return {"pictures": pictures, "tokens": tokens}

    def _check_stages(self, total: int) -> None:
        """Early, rather than after hours of drawing."""
        check_given(self.prior, self.given.tokens, complete=True)
        if self.given.tokens:
            self.given.require((self.data.id(i), self.data.captions(i)) for i in range(total))
        for name, tokens in self.given.tokens.items():
            if tokens.about and tokens.about.get("given_frames", 0) != self.given_frames:
                raise UsageError(
                    f"given_frames is {self.given_frames}, and was {tokens.about.get('given_frames', 0)} where "
                    f"given.{name} was drawn",
                    hint="All stages must go on from the same frames.",
                )

    def _check_given(self, total: int) -> None:
        check_keeps(self.sampler)
        for index in range(total):
            if (count := len(self.data.captions(index))) <= self.given_frames:
                raise DataError(
                    f"given_frames is {self.given_frames}, and story {index} of split '{self.data.name}' has {count} "
                    "frames: nothing would be left to be drawn",
                    hint="Give fewer frames.",
                )
