"""Step `copy-frame`: the real frame before, as a baseline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from gst.artifacts import Pictures
from gst.kinds import Step, StorySet
from gst.steps.chunks import as_pictures, count_stories, frames_in_chunks
from gst.story import Story
from gst_metrics.nearest_frames import NearestFrames

if TYPE_CHECKING:
    from gst.context import StepContext


class CopyFrame(Step):
    """Shows at each frame the real frame before it; at the first one, the training frame with the nearest caption.

    It sees real frames of the story, which no model is shown. Where stories pile up pictures (CoDraw), it is strong on
    average and blind to whatever is new, so read it beside the first frame and the newly named characters alone.

    Args:
        train: the split to take first frames from.
        data: the split whose stories are shown.
        stories: how many, from its start; all by default.
        batch_size: stories at a time.
    """

    outputs: ClassVar[dict[str, type]] = {"pictures": Pictures}

    def __init__(self, *, train: StorySet, data: StorySet, stories: int | None = None, batch_size: int = 16) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; it must be at least 1")
        self.train, self.data = train, data
        self.stories, self.batch_size = stories, batch_size

    def run(self, context: StepContext) -> dict[str, Any]:
        """Copy the frames."""
        nearest = NearestFrames(self.train)
        length = self.data.dataset.frames_per_story

        def shift(stories: Sequence[Story]) -> Tensor:
            frames = np.zeros((len(stories), length, *stories[0].frames.shape[1:]), np.uint8)
            for i, story in enumerate(stories):
                frames[i, 0] = nearest(story.captions[0])
                frames[i, 1 : len(story)] = story.frames[:-1]
            return torch.from_numpy(frames)

        stories, frames = frames_in_chunks(
            context,
            self.data,
            doing="copying frames",
            total=count_stories(self.data, self.stories),
            size=self.batch_size,
            make=shift,
        )
        about = {
            "baseline": "the real frame before (sees real frames); first frame by nearest caption (TF-IDF cosine)",
            "train": self.train.fingerprint(),
        }
        return {"pictures": as_pictures(self.data, stories, frames, about)}
