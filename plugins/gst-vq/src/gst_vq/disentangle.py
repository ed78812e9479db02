"""Step `disentangle`: what each library of a dual codebook holds, to be looked at."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from gst.artifacts import Pictures
from gst.batch import collate, to_uint8
from gst.kinds import Estimate, Step, StorySet
from gst.signatures import describe, weights_hash
from gst.steps.chunks import as_pictures, count_stories, frames_in_chunks
from gst.story import Story
from gst_vq.dual_vqgan import DualVQGAN

if TYPE_CHECKING:
    from gst.context import StepContext


class Disentangle(Step):
    """Draws real frames from the codes of one library alone, at all places of the grid (MaskGST thesis, 9.2.10).

    Where the two libraries hold different things, "characters" shows the characters well and the background badly, and
    "background" the other way round. No mask is needed.

    Args:
        tokenizer: a trained tokenizer with a dual codebook.
        data: the split.
        stories: how many, from its start; all by default.
        batch_size: stories a micro-batch; the last one is filled up, so that shapes never vary.
    """

    outputs: ClassVar[dict[str, type]] = {"background": Pictures, "characters": Pictures}

    def __init__(
        self, *, tokenizer: DualVQGAN, data: StorySet, stories: int | None = None, batch_size: int = 16
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; it must be at least 1")
        self.tokenizer, self.data = tokenizer, data
        self.stories, self.batch_size = stories, batch_size

    def run(self, context: StepContext) -> dict[str, Any]:
        """Draw them. A killed run goes on after the last finished micro-batch."""
        return {name: self._pictures(context, name, library) for library, name in enumerate(self.outputs)}

    def probe(self, context: StepContext) -> Estimate:
        """Time of one story from each library, times their number."""
        total = count_stories(self.data, self.stories)
        started = time.monotonic()
        drawn = [self._draw(context, [self.data[0]], library) for library in range(len(self.outputs))]
        size = sum(frames.numel() for frames in drawn)
        return Estimate(seconds=(time.monotonic() - started) * total, disk=2 * size * total)

    def _pictures(self, context: StepContext, name: str, library: int) -> Pictures:
        work = context.work / name
        work.mkdir(exist_ok=True)
        stories, frames = frames_in_chunks(
            replace(context, work=work),
            self.data,
            doing=f"drawing from the library of {name}",
            total=count_stories(self.data, self.stories),
            size=self.batch_size,
            make=lambda stories: self._draw(context, stories, library),
        )
        about = {"tokenizer": describe(self.tokenizer), "weights": weights_hash(self.tokenizer), "library": name}
        return as_pictures(self.data, stories, frames, about)

    def _draw(self, context: StepContext, stories: Sequence[Story], library: int) -> Tensor:
        batch = collate(stories, length=self.data.dataset.frames_per_story)
        assert batch.frames is not None  # collate always gives frames
        tokenizer = self.tokenizer.to(context.runtime.device).eval()
        with torch.no_grad(), context.runtime.autocast():
            latents = tokenizer.encode_each(batch.frames.to(context.runtime.device))[library]
            frames = tokenizer.decode(latents)
        return to_uint8(frames).cpu() * batch.frame_mask[:, :, None, None, None]
