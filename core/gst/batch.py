"""Stories as tensors: what a training step and a metric see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gst.condition import Condition
from gst.latents import Latents
from gst.story import Story


@dataclass
class StoryBatch:
    """B stories padded to the longest of them, T frames.

    Args:
        ids: the stories' ids.
        captions: B lists of T strings; padding frames have "".
        frame_mask: bool (B, T), False at padding.
        frames: float32 (B, T, 3, H, W) in [-1, 1], or None where a stage works on latents alone.
        characters: bool (B, T, C), the truth, for losses and metrics; None without labels.
        extras: arrays of the data set, padded with zeros along T.
        latents: named latents, "target" being what a prior learns.
        condition: what the model is told, or None for models that are told nothing (tokenizers).
    """

    ids: tuple[str, ...]
    captions: list[list[str]]
    frame_mask: Tensor
    frames: Tensor | None = None
    characters: Tensor | None = None
    extras: dict[str, Tensor] = field(default_factory=dict)
    latents: dict[str, Latents] = field(default_factory=dict)
    condition: Condition | None = None

    def to(self, device: Any) -> StoryBatch:
        def move(x: Tensor | None) -> Tensor | None:
            return None if x is None else x.to(device)

        return StoryBatch(
            self.ids,
            self.captions,
            self.frame_mask.to(device),
            move(self.frames),
            move(self.characters),
            {k: v.to(device) for k, v in self.extras.items()},
            {k: v.to(device) for k, v in self.latents.items()},
            None if self.condition is None else self.condition.to(device),
        )


def collate(stories: Sequence[Story], length: int | None = None) -> StoryBatch:
    """Pad stories to `length` frames (default: the longest of them) and turn uint8 frames into float32 in [-1, 1]."""
    length = max(len(story) for story in stories) if length is None else length
    labelled = all(story.characters is not None for story in stories)
    names = set(stories[0].extras).intersection(*(story.extras for story in stories))
    frames = torch.from_numpy(np.stack([_pad(story.frames, length) for story in stories]))
    return StoryBatch(
        ids=tuple(story.id for story in stories),
        captions=[[*story.captions, *[""] * (length - len(story))] for story in stories],
        frame_mask=torch.tensor([[t < len(story) for t in range(length)] for story in stories]),
        frames=to_float(frames),
        characters=torch.from_numpy(np.stack([_pad(s.characters, length) for s in stories if s.characters is not None]))
        if labelled
        else None,
        extras={
            name: torch.from_numpy(
                np.stack(
                    [
                        _pad(array, length) if array.ndim and len(array) == len(story) else array
                        for story in stories
                        for array in [np.asarray(story.extras[name])]
                    ]
                )
            )
            for name in sorted(names)
        },
    )


def to_float(frames: Tensor) -> Tensor:
    """uint8 [0, 255] to float32 [-1, 1]."""
    return frames.to(torch.float32).div_(127.5).sub_(1.0)


def to_uint8(frames: Tensor) -> Tensor:
    """Float [-1, 1] to uint8 [0, 255], rounded; values outside are clipped."""
    return frames.float().add(1.0).mul(127.5).round().clamp(0, 255).to(torch.uint8)


def _pad(array: np.ndarray[Any, Any], length: int) -> np.ndarray[Any, Any]:
    missing = length - len(array)
    return array if missing == 0 else np.concatenate([array, np.zeros((missing, *array.shape[1:]), array.dtype)])
