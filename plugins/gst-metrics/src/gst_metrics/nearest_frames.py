"""Frames of training stories, found by caption."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gst.errors import DataError
from gst.kinds import StorySet
from gst.training import cached
from gst_metrics.tfidf import NearestCaption


class NearestFrames:
    """Gives for a caption the training frame whose caption is nearest.

    Args:
        train: the training stories.
    """

    def __init__(self, train: StorySet) -> None:
        if len(train) == 0:
            raise DataError(f"split '{train.name}' is empty: there is nothing to retrieve")
        self.train = cached(train)
        captions = [(i, t, caption) for i in range(len(train)) for t, caption in enumerate(train.captions(i))]
        self._places = [(i, t) for i, t, _ in captions]
        self._nearest = NearestCaption([caption for _, _, caption in captions])

    def __call__(self, caption: str) -> NDArray[np.uint8]:
        """uint8 (3, H, W)."""
        story, frame = self._places[self._nearest.find(caption)]
        return self.train[story].frames[frame]
