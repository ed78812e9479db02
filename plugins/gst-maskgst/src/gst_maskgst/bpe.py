"""Byte-pair encoding learned from the captions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from gst.condition import Text, TextSpec
from gst.errors import CheckpointError, UsageError
from gst.kinds.text import TextEncoder
from gst_maskgst.overlong import Overlong, TooLong
from gst_maskgst.ranges import Count

_PAD = "[PAD]"
PAD_ID = 0
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


class Bpe(TextEncoder):
    """Byte-pair encoding (Sennrich et al. 2016) with the Hugging Face tokenizers library.

    Words and punctuation marks are told apart first; each is written as UTF-8 bytes with a space before it, so there is
    no unknown token, and a word has the same tokens wherever it stands. Id 0 is padding. The same captions always give
    the same merges.

    Args:
        vocab_size: ids at most, padding and the 256 bytes included (2500 in the thesis); fewer where the captions do
            not have that many pairs.
        length: L, rows every caption is padded to.
        lowercase: write everything in lower case first.
        too_long: what happens to captions of more than `length` tokens. "cut": their end is cut off, and a line on
            stderr counts them, when the corpus is learned and whenever the count has doubled since; "error": they are
            refused.
    """

    def __init__(
        self,
        *,
        vocab_size: Annotated[int, Field(ge=257)] = 2500,
        length: Count = 64,
        lowercase: bool = True,
        too_long: TooLong = "cut",
    ) -> None:
        self.vocab_size, self.length, self.lowercase = vocab_size, length, lowercase
        self._tokenizer: Tokenizer | None = None
        self._overlong = Overlong("bpe", length, too_long)

    @property
    def spec(self) -> TextSpec:
        return TextSpec("ids", self.length, vocab=self._fitted().get_vocab_size())

    def fit(self, captions: Iterable[str]) -> dict[str, float]:
        """Learn the merges.

        Returns:
            vocabulary: number of ids; longest: tokens of the longest caption; too_long: captions longer than `length`.
        """
        # Counted and sorted first: the trainer's result then cannot depend on the order of the captions.
        counted = sorted(Counter(captions).items())
        tokenizer = Tokenizer(models.BPE())
        steps: list[normalizers.Normalizer] = [normalizers.NFC()]
        tokenizer.normalizer = normalizers.Sequence([*steps, normalizers.Lowercase()] if self.lowercase else steps)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=False)]
        )
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=self.vocab_size,
            special_tokens=[_PAD],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        tokenizer.train_from_iterator((text for text, count in counted for _ in range(count)), trainer)
        self._tokenizer = tokenizer
        self._words = frozenset(word for text, _ in counted for word in _words(text))
        lengths = [len(encoding) for encoding in tokenizer.encode_batch([text for text, _ in counted])]
        long = sum(count for (_, count), n in zip(counted, lengths, strict=True) if n > self.length)
        worst = max(zip(lengths, counted, strict=True), default=(0, ("", 0)))
        self._overlong.in_corpus(long, worst[0], worst[1][0])
        return {
            "vocabulary": float(tokenizer.get_vocab_size()),
            "longest": float(max(lengths, default=0)),
            "too_long": float(long),
        }

    def encode(self, captions: Sequence[Sequence[str]]) -> Text:
        """captions of B stories, T strings each -> ids and mask (B, T, L).

        Raises:
            DataError: a caption is too long and `too_long` is "error".
        """
        flat = [caption for story in captions for caption in story]
        unique = {caption: i for i, caption in enumerate(dict.fromkeys(flat))}
        rows = [encoding.ids for encoding in self._fitted().encode_batch(list(unique))]
        long = [len(row) > self.length for row in rows]
        if any(long):
            worst = max(range(len(rows)), key=lambda i: len(rows[i]))
            self._overlong.found(sum(long[unique[caption]] for caption in flat), len(rows[worst]), list(unique)[worst])
        rows = [row[: self.length] for row in rows]
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        mask = np.arange(self.length) < lengths[:, None]
        data = np.full(mask.shape, PAD_ID, np.int64)
        data[mask] = np.fromiter((i for row in rows for i in row), np.int64, int(lengths.sum()))
        where = np.fromiter((unique[caption] for caption in flat), np.int64, len(flat))
        shape = (len(captions), len(captions[0]) if captions else 0, self.length)
        return Text(torch.from_numpy(data[where].reshape(shape)), torch.from_numpy(mask[where].reshape(shape)))

    def decode(self, ids: Sequence[int]) -> str:
        """Ids of one caption -> text, in lower case where that was asked for, with a space before every mark."""
        return str(self._fitted().decode([i for i in ids if i != PAD_ID])).strip()

    def count(self, caption: str) -> int:
        return len(self._fitted().encode(caption))

    def unknown_words(self, caption: str) -> list[str]:
        return [match[0] for match in _WORD.finditer(caption) if not self._words.issuperset(_words(match[0]))]

    def save_state(self, folder: Path) -> None:
        self._fitted().save(str(folder / "tokenizer.json"))
        (folder / "words.txt").write_text("".join(f"{word}\n" for word in sorted(self._words)), encoding="utf-8")

    def load_state(self, folder: Path) -> None:
        path = folder / "tokenizer.json"
        try:
            self._tokenizer = Tokenizer.from_str(path.read_text(encoding="utf-8"))
            self._words = frozenset((folder / "words.txt").read_text(encoding="utf-8").split("\n")[:-1])
        except FileNotFoundError as error:
            raise CheckpointError(f"{error.filename} is missing") from error
        except Exception as error:  # the library raises bare Exceptions
            raise CheckpointError(f"{path} is not a tokenizer: {error}") from error

    def _fitted(self) -> Tokenizer:
        if self._tokenizer is None:
            raise UsageError("text 'bpe' has learned nothing yet", hint="Fit it on captions first (step fit).")
        return self._tokenizer


def _words(text: str) -> list[str]:
    """The words of a text in lower case, without an ending 's; joined words apart."""
    found = [match[0].casefold().replace("’", "'") for match in _WORD.finditer(text)]
    return [part for word in found for part in word.removesuffix("'s").split("-")]
