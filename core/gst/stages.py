"""What other stages gave for stories: the tokens of another grid, drawn or encoded, found by the stories' ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from gst.artifacts import Tokens
from gst.errors import DataError
from gst.latents import Latents


class StageTokens:
    """Fills `Condition.given`.

    Args:
        tokens: tokens by the name under which a prior takes them.
    """

    def __init__(self, tokens: Mapping[str, Tokens]) -> None:
        self.tokens = dict(tokens)
        self._rows = {name: {story: row for row, story in enumerate(part.ids)} for name, part in tokens.items()}

    def require(self, stories: Iterable[tuple[str, Sequence[str]]]) -> None:
        """Raise `DataError` where they are not of these stories, (id, captions) each."""
        for story, captions in stories:
            for name in self.tokens:
                self._row(name, story, captions)

    def of(self, stories: Iterable[tuple[str, Sequence[str]]], length: int) -> dict[str, Latents]:
        """Latents (B, `length`, ...) of B stories, (id, captions) each; zero at padding.

        Raises:
            DataError: they are not of these stories.
        """
        wanted = list(stories)
        return {
            name: self._latents(part, [self._row(name, story, captions) for story, captions in wanted], length)
            for name, part in self.tokens.items()
        }

    def describe(self) -> dict[str, Any]:
        """For signatures: what drew them, or that they are those of the real frames."""
        return {name: part.about or {"encoded": part.source} for name, part in self.tokens.items()}

    def _latents(self, part: Tokens, rows: Sequence[int], length: int) -> Latents:
        there = np.asarray(part.data[list(rows), :length])
        data = torch.from_numpy(there.astype(np.int64 if part.spec.kind == "ids" else np.float32))
        padding = data.new_zeros(len(rows), length - data.shape[1], *data.shape[2:])
        return Latents(torch.cat([data, padding], 1), part.spec)

    def _row(self, name: str, story: str, captions: Sequence[str]) -> int:
        part, row = self.tokens[name], self._rows[name].get(story)
        hint = "Both must come from the same split, and from as many of its stories at least."
        if row is None:
            raise DataError(f"given.{name}: there is no story {story!r} among its {len(part)}", hint=hint)
        if list(part.captions[row]) != list(captions):
            raise DataError(
                f"given.{name}: story {story!r} is another one there: its captions are {part.captions[row]}, not "
                f"{list(captions)}",
                hint=hint,
            )
        return row
