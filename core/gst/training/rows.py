"""Encoded captions in memory: each distinct caption once, without its padding."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
from torch import Tensor

from gst.condition import Text
from gst.kinds.text import TextEncoder

SHARE = 0.25


class CaptionRows:
    """What a text component gives for captions, asked for once a caption and padded again for every batch.

    A frozen encoder's features are large (22 tokens of 384 numbers are 17 kB as float16), and padded to 48 rows of
    float32 they would be more than four times that. They are kept as float16; ids as they are.

    Args:
        text: the text component.
        limit: bytes that are kept at most; by default a quarter of the machine's memory. What does not fit is encoded
            again each time.
    """

    def __init__(self, text: TextEncoder, limit: int | None = None) -> None:
        self.text, self.spec = text, text.spec
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        self.limit = int(SHARE * memory) if limit is None else limit
        self.nbytes = 0
        self._kept: dict[str, tuple[Tensor, Tensor]] = {}

    def __call__(self, captions: Sequence[Sequence[str]]) -> Text:
        """Captions of B stories, T each -> what `TextEncoder.encode` gives, features rounded to float16."""
        wanted = dict.fromkeys(caption for story in captions for caption in story)
        known = {caption: self._kept[caption] for caption in wanted if caption in self._kept}
        missing = [caption for caption in wanted if caption not in known]
        if missing:
            text = self.text.encode([[caption] for caption in missing])
            known.update(zip(missing, map(_without_padding, text.data[:, 0], text.mask[:, 0]), strict=True))
            for caption in missing:
                self._keep(caption, known[caption])
        features = self.spec.kind == "features"
        flat = [caption for story in captions for caption in story]
        shape = (len(flat), self.spec.length)
        data = torch.zeros(*shape, self.spec.dim) if features else torch.zeros(shape, dtype=torch.int64)
        mask = torch.zeros(shape, dtype=torch.bool)
        for i, caption in enumerate(flat):
            rows, real = known[caption]
            data[i, : len(rows)], mask[i, : len(rows)] = rows, real
        stories = (len(captions), len(captions[0]))
        return Text(data.reshape(*stories, *data.shape[1:]), mask.reshape(*stories, *mask.shape[1:]))

    def _keep(self, caption: str, rows: tuple[Tensor, Tensor]) -> None:
        size = sum(tensor.nbytes for tensor in rows)
        if self.nbytes + size <= self.limit:
            self._kept[caption] = rows
            self.nbytes += size


def _without_padding(data: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """One caption's rows (L, ...) and mask (L,), up to its last real row."""
    real = mask.nonzero()
    length = int(real[-1]) + 1 if len(real) else 0
    kept = data[:length].half() if data.is_floating_point() else data[:length]
    return kept.clone(), mask[:length].clone()
