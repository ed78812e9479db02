"""Step `tokenize`: the frames of a split as stored latents."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import PositiveInt

from gst.artifacts import Tokens
from gst.batch import collate
from gst.kinds import Estimate, Step, StorySet, Tokenizer
from gst.latents import LatentSpec
from gst.steps.chunks import count_stories
from gst.training.cache import cached

if TYPE_CHECKING:
    from gst.context import StepContext

_CHUNK = 16  # batches


class Tokenize(Step):
    """Encodes every frame once, so that no picture is encoded while a prior trains.

    Logs, for ids, how much of the codebook is used: `codebook_usage`, the share of ids that occur, and
    `codebook_perplexity`, exp of the entropy of their frequencies (at most the vocabulary).

    Args:
        tokenizer: the trained tokenizer.
        data: the split.
        batch_size: stories a pass.
        stories: how many, from the split's start; all by default.
    """

    outputs: ClassVar[dict[str, type]] = {"tokens": Tokens}

    def __init__(
        self, *, tokenizer: Tokenizer, data: StorySet, batch_size: PositiveInt = 16, stories: PositiveInt | None = None
    ) -> None:
        self.tokenizer, self.data, self.batch_size, self.stories = tokenizer, cached(data), batch_size, stories

    def run(self, context: StepContext) -> dict[str, Any]:
        """Encode chunk by chunk; a killed run goes on after the last whole chunk."""
        total = count_stories(self.data, self.stories)
        size = self.batch_size * _CHUNK
        chunks: list[dict[str, NDArray[Any]]] = []
        with context.progress.task(context.name, total) as task:
            for first in range(0, total, size):
                last = min(first + size, total)
                path = context.work / f"chunk-{first:07d}.npz"
                if path.exists():
                    task.skip(last - first)
                else:
                    parts = []
                    for start in range(first, last, self.batch_size):
                        parts.append(self._encode(context, range(start, min(start + self.batch_size, last))))
                        task.advance(len(parts[-1]["data"]))
                    _write(path, {name: np.concatenate([p[name] for p in parts]) for name in parts[0]})
                with np.load(path) as file:
                    chunks.append(dict(file))
        tokens = self._tokens({name: np.concatenate([c[name] for c in chunks]) for name in chunks[0]})
        if tokens.spec.kind == "ids":
            context.tracker.rewind(-1)
            context.tracker.log(0, codebook_use(tokens))
        return {"tokens": tokens}

    def probe(self, context: StepContext) -> Estimate:
        """Time of one batch, after a first one, times their number."""
        self._encode(context, range(min(self.batch_size, len(self.data))))
        began = time.perf_counter()
        part = self._encode(context, range(min(self.batch_size, len(self.data))))
        total = count_stories(self.data, self.stories)
        share = total / len(part["data"])
        seconds = (time.perf_counter() - began) * share
        return Estimate(seconds, context.runtime.peak_memory(), int(2 * part["data"].nbytes * share))

    def stand_in(self, context: StepContext) -> dict[str, Any]:
        """One batch."""
        return {"tokens": self._tokens(self._encode(context, range(min(self.batch_size, len(self.data)))))}

    def _encode(self, context: StepContext, indices: range) -> dict[str, NDArray[Any]]:
        batch = collate([self.data[i] for i in indices], length=self.data.dataset.frames_per_story)
        tokenizer = self.tokenizer.to(context.runtime.device).eval()
        with torch.no_grad(), context.runtime.autocast():
            latents = tokenizer.encode_stories(batch.to(context.runtime.device))
        data = latents.data.cpu().numpy().astype(stored_dtype(latents.spec))
        data[~batch.frame_mask.numpy()] = 0
        arrays: dict[str, NDArray[Any]] = {"ids": np.array(batch.ids), "data": data}
        if batch.characters is not None:
            arrays["characters"] = batch.characters.numpy()
        return arrays

    def _tokens(self, arrays: dict[str, NDArray[Any]]) -> Tokens:
        return Tokens(
            spec=self.tokenizer.spec,
            ids=arrays["ids"].tolist(),
            captions=[list(self.data.captions(i)) for i in range(len(arrays["ids"]))],
            data=arrays["data"],
            characters=arrays.get("characters"),
            cast=self.data.dataset.cast,
            source=self.data.fingerprint(),
        )


def codebook_use(tokens: Tokens) -> dict[str, float]:
    """Share of ids that occur, and perplexity of their frequencies; padding frames are left out."""
    mask = np.array([[t < len(c) for t in range(tokens.data.shape[1])] for c in tokens.captions])
    counts = np.bincount(np.asarray(tokens.data)[mask].ravel(), minlength=tokens.spec.vocab)
    shares = counts[counts > 0] / counts.sum()
    return {
        "codebook_usage": float((counts > 0).mean()),
        "codebook_perplexity": float(np.exp(-(shares * np.log(shares)).sum())),
    }


def stored_dtype(spec: LatentSpec) -> np.dtype[Any]:
    """The smallest unsigned integer that holds every id; float16 for features."""
    return np.dtype(np.float16) if spec.kind == "float" else np.min_scalar_type(spec.vocab - 1)


def _write(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """All of it or nothing."""
    partial = path.with_suffix(".part")
    with partial.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
