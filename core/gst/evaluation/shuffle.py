"""The frames of another story: what a model that ignores its captions could at best draw."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gst.story import Story


def other_stories(count: int, seed: int) -> list[int]:
    """For each of `count` stories another one, no story twice: one random cycle through all of them (Sattolo 1986)."""
    random = np.random.Generator(np.random.Philox(seed))
    order = random.permutation(count)
    other = np.empty(count, np.int64)
    other[order] = np.roll(order, -1)
    return [int(i) for i in other]


def frames_for(story: Story, other: Story) -> NDArray[np.uint8]:
    """Frames of `other`, as many as `story` has; a shorter one starts again."""
    return other.frames[np.arange(len(story)) % len(other)]
