"""Step `unigram`: pictures from the frequencies of tokens alone, as a floor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gst.artifacts import Pictures, Tokens
from gst.batch import to_uint8
from gst.errors import DataError
from gst.kinds import Step, StorySet, Tokenizer
from gst.latents import Latents
from gst.noise import Noise
from gst.signatures import describe, weights_hash
from gst.steps.chunks import as_pictures, count_stories, frames_in_chunks
from gst.story import Story

if TYPE_CHECKING:
    from gst.context import StepContext

_STORIES_A_COUNT = 256


class Unigram(Step):
    """Draws every token from the frequencies of tokens at its place of the grid, each for itself, and decodes them.

    The best that a prior can do which looks at neither captions nor other tokens.

    Args:
        tokenizer: the trained tokenizer.
        tokens: the training tokens that are counted.
        data: the split that pictures are drawn for.
        stories: how many, from its start; all by default.
        batch_size: stories a micro-batch.
    """

    outputs: ClassVar[dict[str, type]] = {"pictures": Pictures}

    def __init__(
        self,
        *,
        tokenizer: Tokenizer,
        tokens: Tokens,
        data: StorySet,
        stories: int | None = None,
        batch_size: int = 16,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; it must be at least 1")
        self.tokenizer, self.tokens, self.data = tokenizer, tokens, data
        self.stories, self.batch_size = stories, batch_size

    def run(self, context: StepContext) -> dict[str, Any]:
        """Count, draw and decode."""
        spec = self.tokenizer.spec
        if spec.kind != "ids" or self.tokens.spec != spec:
            raise DataError(
                f"unigram: the tokens ({self.tokens.spec}) are not those of the tokenizer ({spec})",
                hint="Make them with this tokenizer, which must have a codebook.",
            )
        shares = frequencies(self.tokens)
        length = self.data.dataset.frames_per_story
        device = context.runtime.device
        tokenizer = self.tokenizer.to(device).eval()

        def draw(stories: Sequence[Story]) -> Tensor:
            noise = Noise(context.seed, [s.id for s in stories], length)
            ids = draw_tokens(shares, noise.uniform(spec.grid, step=0, name="unigram").numpy())
            with torch.no_grad(), context.runtime.autocast():
                frames = tokenizer.decode(Latents(torch.from_numpy(ids).to(device), spec))
            mask = torch.tensor([[t < len(story) for t in range(length)] for story in stories])
            return to_uint8(frames).cpu() * mask[:, :, None, None, None]

        stories, frames = frames_in_chunks(
            context,
            self.data,
            doing="drawing tokens by frequency",
            total=count_stories(self.data, self.stories),
            size=self.batch_size,
            make=draw,
        )
        about = {
            "baseline": "tokens drawn by their frequency at each place of the grid",
            "seed": context.seed,
            "tokens": self.tokens.source,
            "tokenizer": describe(self.tokenizer),
            "weights": weights_hash(self.tokenizer),
        }
        return {"pictures": as_pictures(self.data, stories, frames, about)}


def frequencies(tokens: Tokens) -> NDArray[np.float64]:
    """Share of every id at every place of the grid, over all real frames: (h, w, vocab)."""
    rows, columns = tokens.spec.grid
    vocab = tokens.spec.vocab
    places = np.arange(rows * columns) * vocab
    counts = np.zeros(rows * columns * vocab, np.int64)
    for first in range(0, len(tokens), _STORIES_A_COUNT):
        lengths = [len(captions) for captions in tokens.captions[first : first + _STORIES_A_COUNT]]
        part = np.asarray(tokens.data[first : first + _STORIES_A_COUNT]).astype(np.int64)
        valid = np.arange(part.shape[1])[None, :] < np.array(lengths)[:, None]
        ids = part[valid].reshape(-1, rows * columns)
        counts += np.bincount((ids + places).ravel(), minlength=len(counts))
    shares = counts.reshape(rows, columns, vocab)
    return shares / shares.sum(2, keepdims=True)


def draw_tokens(shares: NDArray[np.float64], uniform: NDArray[np.float32]) -> NDArray[np.int64]:
    """Ids (B, T, h, w) with the frequencies `shares` (h, w, vocab), from uniform numbers (B, T, h, w) in [0, 1)."""
    ids = np.empty(uniform.shape, np.int64)
    cumulative = shares.cumsum(2)
    for row in range(shares.shape[0]):
        for column in range(shares.shape[1]):
            steps = cumulative[row, column]
            # Scaled to the last sum, which rounding may leave a little under 1: no id of frequency 0 is drawn.
            here = uniform[:, :, row, column].astype(np.float64) * steps[-1]
            ids[:, :, row, column] = np.searchsorted(steps, here, side="right")
    return ids
