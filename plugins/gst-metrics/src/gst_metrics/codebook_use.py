"""How much of a tokenizer's codebook its pictures use."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gst.batch import StoryBatch
from gst.errors import DataError
from gst.kinds import Tokenizer
from gst.signatures import describe, weights_hash
from gst_metrics.sums import SumMetric


class CodebookUse(SumMetric):
    """Share of codes that occur when pictures are encoded, in percent, and the perplexity of their frequencies: exp of
    the entropy in nats, the number of codes that would do as much if all were used alike.

    It has no interval: a resample of stories can only use fewer codes.

    Args:
        tokenizer: a trained tokenizer with a codebook.
    """

    directions = {"codebook-use": "up", "codebook-use/perplexity": "up"}  # noqa: RUF012
    floor = None
    ceiling = False
    bootstrap = 0

    def __init__(self, *, tokenizer: Tokenizer) -> None:
        super().__init__()
        self.tokenizer = tokenizer

    def sums(self, batch: StoryBatch, frames: Tensor) -> Tensor:
        """How often each code occurs: (B, vocab)."""
        spec = self.tokenizer.spec
        if spec.kind != "ids":
            raise DataError(f"codebook-use: tokenizer '{self.tokenizer.use}' has no codebook")
        with torch.no_grad():
            ids = self.tokenizer.encode(frames).data
        # Padding frames count as a code of their own, which is then left out.
        ids = torch.where(batch.frame_mask[:, :, None, None], ids, spec.vocab)
        return torch.stack([torch.bincount(story.flatten(), minlength=spec.vocab + 1)[:-1] for story in ids])

    def numbers(self, total: NDArray[np.float64]) -> dict[str, float]:
        share = total[total > 0] / total.sum()
        return {
            "codebook-use": 100.0 * len(share) / len(total),
            "codebook-use/perplexity": float(np.exp(-(share * np.log(share)).sum())),
        }

    def signature(self) -> dict[str, Any]:
        return {
            "metric": "codebook-use",
            "tokenizer": describe(self.tokenizer),
            "weights": weights_hash(self.tokenizer),
        }
