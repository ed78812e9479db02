"""A pre-trained encoder of Hugging Face transformers with its tokenizer, frozen."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gst.errors import DataError
from gst.pretrained import quiet_transformers

_VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")
_WIDTHS = ("d_model", "hidden_size", "dim", "emb_dim", "n_embd")


class Encoder:
    """Turns one caption into its last hidden states.

    Args:
        folder: a model of an encoder, or of an encoder and a decoder, whose decoder is left out; with its tokenizer.

    Raises:
        DataError: it is something else (a decoder alone), it has no tokenizer, or its weights are not all there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tokenizer = _tokenizer(folder)
        self.net = _network(folder)
        self.dim = int(self.net.config.hidden_size)
        # Relative positions (T5) have no end; some tables of positions (RoBERTa's) keep places for themselves.
        places = getattr(self.net.config, "max_position_embeddings", None)
        self.longest = None if places is None else min(places, int(self.tokenizer.model_max_length))

    def count(self, caption: str) -> int:
        """Tokens of a caption, the marks included that the tokenizer adds."""
        return len(self.tokenizer(caption, verbose=False).input_ids)

    @torch.no_grad()
    def rows(self, caption: str, length: int, device: torch.device) -> Tensor:
        """The hidden states (n, D), n <= `length`, float32 on the CPU, rounded to float16.

        Raises:
            DataError: they are beyond float16.
        """
        ids = self.tokenizer(caption, truncation=True, max_length=self._fits(length), return_tensors="pt").input_ids
        net = self.net.to(device)
        with torch.autocast(device.type, enabled=False):
            hidden = net(input_ids=ids.to(device)).last_hidden_state[0]
        rounded: Tensor = hidden.half().float().cpu()
        if not torch.isfinite(rounded).all():
            raise DataError(f"the encoder in {self.folder} gives numbers beyond float16 for {caption!r}")
        return rounded

    def _fits(self, length: int) -> int:
        if self.longest is not None and length > self.longest:
            raise DataError(
                f"the encoder in {self.folder} reads {self.longest} tokens; text 'hf-text' has length {length}",
                hint=f"Set length to {self.longest} or less.",
            )
        return length


@lru_cache(maxsize=2)
def open_encoder(folder: Path, sha256: str) -> Encoder:
    """The encoder in a folder, opened once a process however many components use it; the hash tells apart what lay
    there at other times."""
    return Encoder(folder)


def width(config: Mapping[str, Any], folder: Path) -> int:
    """D of a model's config.json. Raises `DataError` where that does not tell."""
    for name in _WIDTHS:
        if isinstance(config.get(name), int):
            return int(config[name])
    raise DataError(f"{folder / 'config.json'} does not tell how wide its hidden states are ({', '.join(_WIDTHS)})")


def _tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    if not any(path for pattern in _VOCABULARIES for path in folder.glob(pattern)):
        raise DataError(
            f"the model in {folder} has no tokenizer (none of {', '.join(_VOCABULARIES)})",
            hint="tokenizer.save_pretrained writes one.",
        )
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # which kind depends on what is missing
        raise DataError(
            f"the tokenizer in {folder} cannot be read: {error}",
            hint="A tokenizer.json can always be read: tokenizer.save_pretrained writes one.",
        ) from error
    return tokenizer


def _network(folder: Path) -> nn.Module:
    from transformers import (
        MODEL_FOR_MASKED_LM_MAPPING,
        MODEL_FOR_TEXT_ENCODING_MAPPING,
        AutoConfig,
        AutoModel,
        AutoModelForTextEncoding,
    )

    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        raise DataError(f"the model in {folder} is none that this transformers knows: {error}") from error
    encodes = type(config) in MODEL_FOR_TEXT_ENCODING_MAPPING
    if getattr(config, "is_decoder", False) and not config.is_encoder_decoder:
        encodes = False
    elif not encodes:
        encodes = config.is_encoder_decoder or type(config) in MODEL_FOR_MASKED_LM_MAPPING
    if not encodes:
        raise DataError(
            f"the model in {folder} ('{config.model_type}') has no text encoder: it reads from left to right only",
            hint="Take an encoder (BERT's kind) or a model that has one (T5, BART).",
        )
    auto = AutoModelForTextEncoding if type(config) in MODEL_FOR_TEXT_ENCODING_MAPPING else AutoModel
    try:
        # What the file has no weights for is drawn, and must disturb nobody.
        with torch.random.fork_rng(devices=[]), quiet_transformers():
            net, report = auto.from_pretrained(
                folder,
                config=config,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
    except Exception as error:
        raise DataError(f"the weights in {folder} cannot be read: {error}") from error
    # Nothing here reads the pooled vector, and many checkpoints come without it.
    missing = sorted(name for name in report["missing_keys"] if "pooler" not in name)
    if missing or report["mismatched_keys"]:
        raise DataError(f"the weights in {folder} lack {', '.join(missing[:3]) or report['mismatched_keys']}")
    encoder: nn.Module = net.get_encoder() if config.is_encoder_decoder and auto is AutoModel else net
    return encoder.eval().requires_grad_(False)
