"""Frames and other arrays made chunk by chunk, each kept when done, so that a killed step goes on where it was."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
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
    """Frames for the first `total` stories of a split, as `arrays_in_chunks` makes them.

    Args:
        context, data, doing, total, size: as there.
        make: `size` stories -> uint8 (size, T, 3, H, W), T being the data set's longest story.

    Returns:
        the stories without their frames, and the frames (total, T, 3, H, W), memory-mapped.
    """
    shape = (data.dataset.frames_per_story, 3, *data.dataset.frame_size)
    return arrays_in_chunks(
        context, data, doing=doing, total=total, size=size, shape=shape, dtype=np.dtype(np.uint8), make=make
    )


def arrays_in_chunks(
    context: StepContext,
    data: StorySet,
    *,
    doing: str,
    total: int,
    size: int,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    make: Callable[[Sequence[Story]], Tensor | NDArray[Any]],
) -> tuple[list[Story], NDArray[Any]]:
    """An array for each of the first `total` stories of a split.

    Every call of `make` gets exactly `size` stories: the last chunk is filled up with copies of its first story, whose
    arrays are thrown away. So shapes never vary, and what is made of a story does not depend on how many are asked for.

    Args:
        context: its `work` folder keeps finished chunks.
        data: the split.
        doing: shown with the progress.
        total: stories to make arrays for.
        size: stories a chunk.
        shape: of one story's array.
        dtype: of the arrays; one with fields makes several arrays in one.
        make: `size` stories -> (size, *shape), on the CPU.

    Returns:
        the stories without their frames, and the arrays (total, *shape), memory-mapped.
    """
    path = context.work / "arrays.npy"
    arrays = np.lib.format.open_memmap(path, "w+", dtype, (total, *shape))
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
                _write(part, np.asarray(make(padded)[: len(stories)]))
                task.advance(len(stories))
            arrays[start : start + len(stories)] = np.load(part)
    arrays.flush()
    return told, arrays


def as_pictures(
    data: StorySet, stories: Sequence[Story], frames: Frames, about: dict[str, Any], *, given: int = 0
) -> Pictures:
    """What `frames_in_chunks` gave, as the artifact that steps hand on.

    Args:
        data: the split.
        stories: its first stories; their frames are not read.
        frames: uint8 (N, T, 3, H, W).
        about: said in every signature.
        given: the first frames of each story that are real ones, given to the model.
    """
    return Pictures(
        ids=[s.id for s in stories],
        captions=[list(s.captions) for s in stories],
        frames=frames,
        source=data.source,
        about=about,
        drawn=np.tile(np.arange(frames.shape[1]) >= given, (len(stories), 1)) if given else None,
    )


def _write(path: Any, array: NDArray[Any]) -> None:
    """All of it or nothing, even after a power cut."""
    partial = path.with_suffix(".part")
    with partial.open("wb") as file:
        np.save(file, array)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
