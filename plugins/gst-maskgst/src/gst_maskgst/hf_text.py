"""Frozen hidden states of a pre-trained text encoder."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gst.condition import Text, TextSpec
from gst.errors import CheckpointError, DataError
from gst.kinds.text import TextEncoder
from gst.pretrained import HUB, copy_pretrained, find_pretrained, hub_revision, pretrained_config, pretrained_hash
from gst_maskgst.encoder import Encoder, open_encoder, width
from gst_maskgst.overlong import Overlong, TooLong
from gst_maskgst.ranges import Count

_ABOUT = "encoder.json"
_COPY = "encoder"


class HfText(TextEncoder):
    """Last hidden states of a frozen encoder of Hugging Face transformers, which a prior projects to its width.

    The thesis (section 8.2.2) takes T5-XXL as Muse does; any encoder will do: of BERT's kind, or the encoder of T5 or
    BART. Weights are read from safetensors alone. Each caption is encoded by itself, without padding and in float32,
    and rounded to float16, so that its features are the same whatever it is encoded with, and in training as in
    drawing. Training encodes a caption once and keeps its rows (2 * D bytes a token: 0.7 GB for the 40,000 captions of
    story-world with D = 384).

    A trained prior is saved with the name and the hash of its encoder, not with a copy; an exported pipeline holds the
    copy.

    Args:
        model: the folder of a model with its tokenizer, as save_pretrained writes it, or "hub:NAME" for one of the
            Hugging Face hub, which is downloaded once. It counts by its files' content, not by its name.
        length: L, rows every caption is padded to.
        too_long: what happens to captions of more than `length` tokens, the encoder's own marks included. "cut": their
            end is cut off, and a line on stderr counts them, when the corpus is seen (step fit) and whenever the count
            has doubled since; "error": they are refused.
    """

    def __init__(self, *, model: str, length: Count = 64, too_long: TooLong = "cut") -> None:
        self.model, self.length = model, length
        self._overlong = Overlong("hf-text", length, too_long)
        self._device = torch.device("cpu")
        self._found: Path | None = None

    @classmethod
    def identity(cls, options: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**options, "model": pretrained_hash(find_pretrained(options["model"]))}

    @property
    def spec(self) -> TextSpec:
        return TextSpec("features", self.length, dim=width(pretrained_config(self._folder), self._folder))

    def fit(self, captions: Iterable[str]) -> dict[str, float]:
        """Nothing is learned; the captions are measured.

        Returns:
            longest: tokens of the longest caption; too_long: captions longer than `length`.
        """
        counted = sorted(Counter(captions).items())
        lengths = [self.count(text) for text, _ in counted]
        long = sum(count for (_, count), n in zip(counted, lengths, strict=True) if n > self.length)
        worst = max(zip(lengths, counted, strict=True), default=(0, ("", 0)))
        self._overlong.in_corpus(long, worst[0], worst[1][0])
        return {"longest": float(worst[0]), "too_long": float(long)}

    def encode(self, captions: Sequence[Sequence[str]]) -> Text:
        """captions of B stories, T strings each -> float32 (B, T, L, D) and mask (B, T, L); an empty one has no row.

        Raises:
            DataError: a caption is too long and `too_long` is "error"; the encoder gives numbers beyond float16.
        """
        encoder = self._encoder
        flat = [caption for story in captions for caption in story]
        known: dict[str, Tensor] = {}
        for caption in dict.fromkeys(flat):
            if not caption.strip():
                known[caption] = torch.zeros(0, encoder.dim)
                continue
            needed = encoder.count(caption)
            if needed > self.length:
                self._overlong.found(flat.count(caption), needed, caption)
            known[caption] = encoder.rows(caption, self.length, self._device)
        data = torch.zeros(len(flat), self.length, encoder.dim)
        mask = torch.zeros(len(flat), self.length, dtype=torch.bool)
        for i, caption in enumerate(flat):
            rows = known[caption]
            data[i, : len(rows)], mask[i, : len(rows)] = rows, True
        shape = (len(captions), len(captions[0]) if captions else 0)
        return Text(data.unflatten(0, shape), mask.unflatten(0, shape))

    def count(self, caption: str) -> int:
        return self._encoder.count(caption)

    def to(self, device: torch.device) -> None:
        self._device = device

    def save_state(self, folder: Path) -> None:
        source = self._folder
        about = {
            "model": self.model,
            "revision": hub_revision(source) if self.model.startswith(HUB) else None,
            "sha256": pretrained_hash(source),
        }
        (folder / _ABOUT).write_text(json.dumps(about, indent=1), encoding="utf-8")

    def save_sources(self, folder: Path) -> None:
        copy_pretrained(self._folder, folder / _COPY)

    def load_state(self, folder: Path) -> None:
        try:
            about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
            wanted, revision = about["sha256"], about["revision"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"{folder / _ABOUT} cannot be read: {error!r}") from error
        if (folder / _COPY).is_dir():
            self._found = folder / _COPY
        else:
            try:
                self._found = find_pretrained(self.model, revision)
            except DataError as error:
                # What was saved is whole: no CheckpointError, on which a store would call its entry damaged.
                raise DataError(
                    f"this was trained with the text encoder {self.model} (sha256 {wanted}), which is not here: "
                    f"{error.message}",
                    hint="Put that folder in its place; or export the pipeline where it is (gst.exporting.export), "
                    "with a copy of it.",
                ) from error
        if (got := pretrained_hash(self._found)) != wanted:
            raise DataError(
                f"the text encoder in {self._found} is not the one this was trained with: its sha256 is {got}, "
                f"not {wanted}"
            )

    @property
    def _folder(self) -> Path:
        if self._found is None:
            self._found = find_pretrained(self.model)
        return self._found

    @property
    def _encoder(self) -> Encoder:
        return open_encoder(self._folder, pretrained_hash(self._folder))
