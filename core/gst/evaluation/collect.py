"""Shows every metric all pictures, story by story, and keeps one set of rows for each source of pictures."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from gst.artifacts import Pictures
from gst.batch import StoryBatch, collate, to_float
from gst.errors import DataError
from gst.evaluation.shuffle import frames_for, other_stories
from gst.kinds import Metric, StorySet
from gst.story import Story

REAL, SHUFFLED = "real", "shuffled"


def check_pictures(pictures: Mapping[str, Pictures], data: StorySet) -> int:
    """How many stories they are of. Raises `DataError` where they are not all of the first stories of this split."""
    first = next(iter(pictures))
    total = len(pictures[first])
    for name, drawn in pictures.items():
        if drawn.source != data.source:
            raise DataError(
                f"pictures '{name}' were made for another split or data set than {data.dataset.use} '{data.name}'",
                hint="Make them and evaluate them on the same split.",
            )
        if len(drawn) != total:
            raise DataError(
                f"pictures '{name}' are of {len(drawn)} stories, '{first}' of {total}",
                hint="Give the steps that make them the same number of stories.",
            )
        size = tuple(drawn.frames.shape[-2:])
        if size != tuple(data.dataset.frame_size):
            raise DataError(f"pictures '{name}' have {size} pixels, the data set has {tuple(data.dataset.frame_size)}")
    if not 0 < total <= len(data):
        raise DataError(f"pictures '{first}' are of {total} stories; split '{data.name}' has {len(data)}")
    return total


def collect(
    data: StorySet,
    pictures: Mapping[str, Pictures],
    metrics: Sequence[Metric],
    *,
    total: int,
    batch_size: int,
    seed: int,
    device: torch.device,
    advance: Callable[[int], None],
) -> tuple[dict[str, list[Metric | None]], int]:
    """Stream the first `total` stories past all metrics; no more than `batch_size` stories are in memory at a time.

    Args:
        data: the split.
        pictures: what was drawn for it, by name.
        metrics: what to measure; they themselves stay as they are.
        total: number of stories.
        batch_size: stories at a time.
        seed: of the choice of another story for each (`other_stories`).
        device: where networks run.
        advance: told how many stories are done.

    A frame that was given to what drew any of the pictures is scored of none, so that all numbers are of the same
    frames: metrics see it as padding.

    Returns:
        source ("real", "shuffled" where there is another story, and the names of the pictures) -> a copy of each metric
        with one row a story, or None where it is not measured ("shuffled" for metrics without that floor); and the
        number of frames.

    Raises:
        DataError: pictures of other stories than the split's, or what a metric says of the data.
    """
    for module in (value for metric in metrics for value in vars(metric).values() if isinstance(value, nn.Module)):
        module.to(device).eval()
    sources = [*pictures, REAL, *([SHUFFLED] if total > 1 else [])]
    meters: dict[str, list[Metric | None]] = {
        source: [None if source == SHUFFLED and metric.floor != "shuffled" else _fresh(metric) for metric in metrics]
        for source in sources
    }
    others = other_stories(total, seed)
    frames = 0
    for start in range(0, total, batch_size):
        indices = range(start, min(start + batch_size, total))
        stories = [data[i] for i in indices]
        batch = collate(stories)
        _check_ids(pictures, batch, indices)
        batch.frame_mask &= _drawn(pictures, indices, batch.frame_mask.shape[1])
        batch = batch.to(device)
        for source, row in meters.items():
            if not any(row):
                continue
            if source == REAL:
                drawn = batch.frames
            elif source == SHUFFLED:
                drawn = _shuffled(stories, [data[others[i]] for i in indices]).to(device)
            else:
                drawn = _slice(pictures[source], start, batch).to(device)
            assert drawn is not None  # collate always gives frames
            for metric in row:
                if metric is not None:
                    metric.update(batch, drawn)
        frames += int(batch.frame_mask.sum())
        advance(len(indices))
    return meters, frames


def _fresh(metric: Metric) -> Metric:
    own = copy.copy(metric)
    own.reset()
    return own


def _check_ids(pictures: Mapping[str, Pictures], batch: StoryBatch, indices: range) -> None:
    for name, drawn in pictures.items():
        ids = tuple(drawn.ids[indices.start : indices.stop])
        if ids != batch.ids:
            wrong = next(i for i, (a, b) in enumerate(zip(ids, batch.ids, strict=True)) if a != b)
            raise DataError(
                f"pictures '{name}' show story '{ids[wrong]}' where the split has '{batch.ids[wrong]}'",
                hint="They must be in the order of the split.",
            )


def _slice(drawn: Pictures, start: int, batch: StoryBatch) -> Tensor:
    count, length = batch.frame_mask.shape
    return to_float(torch.from_numpy(np.array(drawn.frames[start : start + count, :length])))


def _drawn(pictures: Mapping[str, Pictures], indices: range, length: int) -> Tensor:
    """bool (B, T): the frames that all pictures drew."""
    masks = [p.drawn[indices.start : indices.stop, :length] for p in pictures.values() if p.drawn is not None]
    drawn = np.logical_and.reduce(masks) if masks else np.ones((len(indices), length), np.bool_)
    return torch.from_numpy(np.asarray(drawn))


def _shuffled(stories: Sequence[Story], others: Sequence[Story]) -> Tensor:
    length = max(len(story) for story in stories)
    frames = np.zeros((len(stories), length, *stories[0].frames.shape[1:]), np.uint8)
    for i, (story, other) in enumerate(zip(stories, others, strict=True)):
        frames[i, : len(story)] = frames_for(story, other)
    return to_float(torch.from_numpy(frames))
