"""Frames made chunk by chunk, each kept when it is done, so that a killed step goes on where it was."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from gst.artifacts import Pictures
from gst.errors import UsageError
from gst.kinds import StorySet
from gst.pictures import Frames
from gst.story import Story

if TYPE_CHECKING:
    from gst.context import StepContext


def count_stories(data: StorySet, stories: int | None) -> int:
    """How many stories of a split to take; all for None. Raises `UsageError` where there are not as many."""
    if stories is None:
        return len(data)
    if not 1 <= stories <= len(data):
        raise UsageError(f"stories: {stories} was asked for; split '{data.name}' has {len(data)}")
    return stories


def frames_in_chunks(
    context: StepContext,
    data: StorySet,
    *,
    doing: str,
    total: int,
    size: int,
    make: Callable[[Sequence[Story]], Tensor],
) -> tuple[list[Story], Frames]:
    """Frames for the first `total` stories of a split.

    Every call of `make` gets exactly `size` stories: the last chunk is filled up with copies of its first story, whose
    frames are thrown away. So shapes never vary, and a story's frames do not depend on how many are asked for.

    Args:
        context: its `work` folder keeps finished chunks.
        data: the split.
        doing: shown with the progress.
        total: stories to make frames for.
        size: stories a chunk.
        make: `size` stories -> uint8 (size, T, 3, H, W), T being the data set's longest story.

    Returns:
        the stories without their frames, and the frames (total, T, 3, H, W), memory-mapped.
    """
    length, (height, width) = data.dataset.frames_per_story, data.dataset.frame_size
    path = context.work / "frames.npy"
    frames = np.lib.format.open_memmap(path, "w+", np.uint8, (total, length, 3, height, width))
    told: list[Story] = []
    with context.progress.task(f"{context.name}: {doing}", total) as task:
        for start in range(0, total, size):
            stories = [data[i] for i in range(start, min(start + size, total))]
            told += [Story(s.id, s.captions, s.frames[:0]) for s in stories]
            part = context.work / f"chunk-{start:07d}.npy"
            if part.exists():
                task.skip(len(stories))
            else:
                padded = [*stories, *[stories[0]] * (size - len(stories))]
                _write(part, make(padded)[: len(stories)].numpy())
                task.advance(len(stories))
            frames[start : start + len(stories)] = np.load(part)
    frames.flush()
    return told, frames


def as_pictures(data: StorySet, stories: Sequence[Story], frames: Frames, about: dict[str, Any]) -> Pictures:
    """What `frames_in_chunks` gave, as the artifact that steps hand on; `about` is said in every signature."""
    return Pictures(
        ids=[s.id for s in stories],
        captions=[list(s.captions) for s in stories],
        frames=frames,
        source=data.source,
        about=about,
    )


def _write(path: Any, array: Frames) -> None:
    """All of it or nothing, even after a power cut."""
    partial = path.with_suffix(".part")
    with partial.open("wb") as file:
        np.save(file, array)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
