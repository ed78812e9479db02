"""From captions to what a model is told. One object, kept with the prior it trained, so that training, evaluation and
`gst sample` cannot tell the model different things."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from gst.cast import Cast
from gst.condition import Condition
from gst.errors import DataError
from gst.kinds.text import TextEncoder

CharactersFrom = Literal["captions", "labels", "none"]
Resolve = Literal["none", "antecedent"]


@dataclass(frozen=True)
class Conditioner:
    """Builds conditions.

    Args:
        text: a fitted text component, or None for priors without text.
        cast: whom captions may name.
        characters_from: "captions" finds the cast's names in the captions; "labels" tells the model the truth (oracle);
            "none" tells it nothing.
        resolve: "antecedent" also follows pronouns to whom the story's captions named before.
    """

    text: TextEncoder | None
    cast: Cast
    characters_from: CharactersFrom = "captions"
    resolve: Resolve = "antecedent"

    def characters(self, captions: Sequence[str]) -> Tensor:
        """Captions of one story -> bool (T, C)."""
        return torch.from_numpy(self.cast.resolve(list(captions), self.resolve))

    def __call__(
        self,
        ids: Sequence[str],
        captions: Sequence[Sequence[str]],
        frame_mask: Tensor,
        labels: Tensor | None = None,
    ) -> Condition:
        """Captions of B stories (T each, "" at padding) -> condition. `labels` (B, T, C) are read for "labels" only."""
        characters = None
        if self.characters_from == "captions":
            characters = torch.stack([self.characters(story) for story in captions])
        elif self.characters_from == "labels":
            if labels is None:
                raise DataError(
                    "characters_from: labels needs a data set with character labels; this one has none",
                    hint="Use characters_from: captions.",
                )
            characters = labels
        text = None if self.text is None else self.text.encode(captions)
        return Condition(ids=tuple(ids), frame_mask=frame_mask, text=text, characters=characters)

    def describe(self) -> str:
        """For signatures: where characters came from."""
        if self.characters_from == "captions":
            return f"captions({self.resolve})"
        return "labels (oracle)" if self.characters_from == "labels" else "none"
