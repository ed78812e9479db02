"""What the model is told of every story it trains on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import torch
from torch import Tensor

from gst.artifacts import Tokens
from gst.batch import StoryBatch
from gst.condition import Condition
from gst.conditioner import Conditioner
from gst.errors import DataError
from gst.kinds.dataset import StorySet
from gst.training.alternatives import Alternatives
from gst.training.rows import CaptionRows

_REMEMBERED = 2**16


class Conditions:
    """Conditions of batches: each caption is encoded once, and each story's characters are resolved once.

    Args:
        conditioner: how captions become what the model is told.
        data: the stories.
        alternatives: other captions that may be told instead. The characters are then resolved from the captions that
            were drawn.
    """

    def __init__(
        self, conditioner: Conditioner, data: StorySet | Tokens, alternatives: Alternatives | None = None
    ) -> None:
        self.conditioner, self.data, self.alternatives = conditioner, data, alternatives
        self.rows = None if conditioner.text is None else CaptionRows(conditioner.text)
        self._characters: Callable[[tuple[str, ...]], Tensor] = lru_cache(_REMEMBERED)(conditioner.characters)

    def tell(
        self, batch: StoryBatch, stories: Sequence[int], frames: Sequence[int] | None, epochs: Sequence[int] | None
    ) -> None:
        """Set the `condition` of a batch made of these stories (or of these frames of them), and its `captions` to
        what is told.

        Args:
            batch: the batch.
            stories: indices of its B stories.
            frames: for single frames, the number of each in its story.
            epochs: for the alternatives, the epoch of each example; None tells the stories' own captions.
        """
        whole = [tuple(captions_of(self.data, story)) for story in stories]
        if self.alternatives is not None and epochs is not None:
            names = batch.ids if frames is None else [name.rpartition("#")[0] for name in batch.ids]
            whole = [self.alternatives.draw(*each) for each in zip(names, whole, epochs, strict=True)]
        length = batch.frame_mask.shape[1]
        if frames is None:
            batch.captions = [[*captions, *[""] * (length - len(captions))] for captions in whole]
        else:
            batch.captions = [[captions[t]] for captions, t in zip(whole, frames, strict=True)]
        batch.condition = Condition(
            ids=batch.ids,
            frame_mask=batch.frame_mask,
            text=None if self.rows is None else self.rows(batch.captions),
            characters=self._told(batch, whole, frames),
        )

    def _told(self, batch: StoryBatch, whole: Sequence[tuple[str, ...]], frames: Sequence[int] | None) -> Tensor | None:
        """bool (B, T, C). A single frame's pronouns are resolved in its story."""
        if self.conditioner.characters_from == "none":
            return None
        if self.conditioner.characters_from == "labels":
            if batch.characters is None:
                raise DataError(
                    "characters_from: labels needs a data set with character labels; this one has none",
                    hint="Use characters_from: captions.",
                )
            return batch.characters
        told = torch.zeros(*batch.frame_mask.shape, len(self.conditioner.cast), dtype=torch.bool)
        for i, captions in enumerate(whole):
            rows = self._characters(captions)
            if frames is None:
                told[i, : len(rows)] = rows
            else:
                told[i, 0] = rows[frames[i]]
        return told


def captions_of(data: StorySet | Tokens, index: int) -> Sequence[str]:
    """The captions of one story."""
    return data.captions[index] if isinstance(data, Tokens) else data.captions(index)
