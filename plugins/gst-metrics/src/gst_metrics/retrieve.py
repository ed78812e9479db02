"""Step `retrieve`: the training frame with the nearest caption, as a baseline."""

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


class Retrieve(Step):
    """Gives each caption the real training frame whose caption is nearest, by the cosine of TF-IDF vectors.

    Frame by frame, each caption for itself: who "she" is and where the story plays is lost where the caption does not
    say it. What a model that learned anything must be better than.

    Args:
        train: the split to take frames from.
        data: the split whose captions are given frames.
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
        """Find the frames."""
        nearest = NearestFrames(self.train)
        length = self.data.dataset.frames_per_story

        def find(stories: Sequence[Story]) -> Tensor:
            frames = np.zeros((len(stories), length, *stories[0].frames.shape[1:]), np.uint8)
            for i, story in enumerate(stories):
                for t, caption in enumerate(story.captions):
                    frames[i, t] = nearest(caption)
            return torch.from_numpy(frames)

        stories, frames = frames_in_chunks(
            context,
            self.data,
            doing="retrieving frames",
            total=count_stories(self.data, self.stories),
            size=self.batch_size,
            make=find,
        )
        about = {
            "baseline": "training frame with the nearest caption (TF-IDF cosine, frame by frame)",
            "train": self.train.fingerprint(),
        }
        return {"pictures": as_pictures(self.data, stories, frames, about)}
