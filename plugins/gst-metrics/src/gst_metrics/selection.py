"""Which frames, or which characters of which frames, a metric counts."""

from __future__ import annotations

import torch
from torch import Tensor

from gst.batch import StoryBatch
from gst.cast import Cast
from gst.errors import DataError


def some_frames(batch: StoryBatch, only: str | None, cast: Cast) -> Tensor:
    """bool (B, T): the real frames (no padding) that `only` names.

    Args:
        batch: the stories.
        only: None for all; "first-frame"; "new", where somebody is named for the first time; or a truth value of the
            data set, such as "place_told". One that is told of each character picks the frames where it holds for
            anybody. "not NAME" picks the other frames.
        cast: who may be named.
    """
    name, negated = _parse(only)
    if name is None:
        return batch.frame_mask
    if name == "first-frame":
        chosen = torch.zeros_like(batch.frame_mask)
        chosen[:, 0] = True
    else:
        chosen = _named_first(batch, cast) if name == "new" else _extra(batch, name)
        chosen = chosen.flatten(2).any(2) if chosen.ndim > 2 else chosen
    return batch.frame_mask & (~chosen if negated else chosen)


def some_cells(batch: StoryBatch, cells: str | None, cast: Cast) -> Tensor:
    """bool (B, T, C): the characters of real frames that `cells` names, as in `some_frames`, each judged for itself."""
    name, negated = _parse(cells)
    everything = batch.frame_mask[:, :, None].expand(-1, -1, len(cast))
    if name is None:
        return everything
    chosen = _named_first(batch, cast) if name == "new" else _extra(batch, name)
    if chosen.ndim != 3 or chosen.shape[2] != len(cast):
        raise DataError(f"cells: '{name}' is not told of each character; use it with only:")
    return everything & (~chosen if negated else chosen)


def some_pixels(batch: StoryBatch, pixels: str) -> Tensor:
    """bool (B, T, H, W): the pixels of frames that `pixels` names: a mask that the data set tells, or "not NAME"."""
    name, negated = _parse(pixels)
    chosen = _extra(batch, str(name))
    if chosen.ndim != 4:
        raise DataError(f"pixels: '{name}' is not told of each pixel; use it with only:")
    return ~chosen if negated else chosen


def label(metric: str, only: str | None, cells: str | None = None) -> str:
    """The metric's name with its restriction: "char-f1[pronoun_only]", "char-f1[cells:new]"."""
    parts = [part for part in (only, f"cells:{cells}" if cells else None) if part]
    return f"{metric}[{', '.join(parts)}]" if parts else metric


def _parse(name: str | None) -> tuple[str | None, bool]:
    if name is None or not name.startswith("not "):
        return name, False
    return name.removeprefix("not ").strip(), True


def _named_first(batch: StoryBatch, cast: Cast) -> Tensor:
    """bool (B, T, C): named in this caption and in none before it."""
    named = torch.stack([torch.stack([torch.from_numpy(cast.mentions(c)) for c in story]) for story in batch.captions])
    first = named & (named.cumsum(1) == 1)
    return first.to(batch.frame_mask.device)


def _extra(batch: StoryBatch, name: str) -> Tensor:
    array = batch.extras.get(name)
    if array is None or array.dtype != torch.bool or array.ndim < 2:
        there = [key for key, value in batch.extras.items() if value.dtype == torch.bool and value.ndim > 1]
        raise DataError(
            f"this data set has no truth value '{name}' of its frames",
            hint=f"There are first-frame, new{''.join(f', {key}' for key in sorted(there))}; each also as 'not NAME'.",
        )
    return array
