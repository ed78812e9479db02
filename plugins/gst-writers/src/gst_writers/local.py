"""Captions in other words, by a language model on this machine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field, NonNegativeFloat, PositiveInt

from gst.cast import Cast
from gst.errors import DataError, PluginError
from gst.kinds import Original, Writer, Written
from gst.pretrained import find_pretrained, pretrained_hash, quiet_transformers
from gst_writers.journal import Journal
from gst_writers.prompt import Message
from gst_writers.rewriting import Reply, Rewriting


class LocalLlm(Writer):
    """As `llm`, with a causal language model of Hugging Face transformers on this machine, one story at a time.

    Weights are read from safetensors alone. What is drawn depends on the seed, the story and the number of the attempt.

    Args:
        model: the folder of a model with its tokenizer, or "hub:NAME" for one of the Hugging Face hub, which is
            downloaded once. Its chat template is used where it has one; otherwise the request is plain text.
        instructions: what the model is told before the cast, in place of the usual words.
        temperature: of sampling; 0 takes the most probable token each time.
        top_p: only the most probable tokens that together have this probability are sampled.
        max_words: captions of more words are refused.
        max_tokens: longest answer in tokens.
        tries: how often a story is asked for before it has failed.
        cache: a folder where answers are kept for other runs too; otherwise a step keeps them until it is finished.
    """

    def __init__(
        self,
        *,
        model: str,
        instructions: str | None = None,
        temperature: NonNegativeFloat = 0.7,
        top_p: Annotated[float, Field(gt=0, le=1)] = 0.95,
        max_words: PositiveInt = 40,
        max_tokens: PositiveInt = 400,
        tries: PositiveInt = 4,
        cache: str | None = None,
    ) -> None:
        self.model, self.instructions, self.cache = model, instructions, cache
        self.temperature, self.top_p, self.max_tokens = temperature, top_p, max_tokens
        self.max_words, self.tries = max_words, tries

    @classmethod
    def identity(cls, options: Mapping[str, Any]) -> Mapping[str, Any]:
        kept = {name: value for name, value in options.items() if name != "cache"}
        return {**kept, "model": pretrained_hash(find_pretrained(options["model"]))}

    def write(
        self, stories: Sequence[Original], *, cast: Cast, seed: int, work: Path, device: torch.device
    ) -> Iterator[Written]:
        folder = find_pretrained(self.model)
        model = _Model(folder, device, self)
        rewriting = Rewriting(
            lambda messages, attempt: model.answer(messages, f"{seed}\0{attempt}"),
            [pretrained_hash(folder), self.temperature, self.top_p, self.max_tokens],
            cast,
            Journal(work if self.cache is None else Path(self.cache).expanduser()),
            self.instructions,
            self.max_words,
            self.tries,
            seed,
        )
        return map(rewriting.story, stories)


class _Model:
    """The model and its tokenizer.

    Raises:
        PluginError: transformers is not installed.
        DataError: it is no causal language model, or cannot be read.
    """

    def __init__(self, folder: Path, device: torch.device, options: LocalLlm) -> None:
        try:
            from transformers import AutoModelForCausalLM, AutoTokenizer
        except ImportError as error:
            raise PluginError(
                "writer 'llm-local' needs transformers, which is not installed", hint="pip install gst-writers[local]"
            ) from error
        try:
            with torch.random.fork_rng(devices=[]), quiet_transformers():
                self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
                self.net: Any = AutoModelForCausalLM.from_pretrained(
                    folder, local_files_only=True, trust_remote_code=False, use_safetensors=True, dtype="auto"
                )
        except Exception as error:  # which kind depends on what is wrong
            raise DataError(f"{folder} holds no language model that can be read: {error}") from error
        self.net = self.net.to(device).eval()
        self.device, self.options = device, options

    def answer(self, messages: list[Message], key: str) -> Reply:
        """The answer; randomness is a function of the messages and `key`."""
        prompt = self._prompt(messages)
        ids = self.tokenizer(prompt, return_tensors="pt", add_special_tokens=not self._templated).input_ids
        ids = ids.to(self.device)
        most = self._room(ids.shape[1])
        options = self.options
        sampling: dict[str, Any] = {"do_sample": False}
        if options.temperature:
            sampling = {"do_sample": True, "temperature": options.temperature, "top_p": options.top_p, "top_k": 0}
        digest = hashlib.sha256(f"{prompt}\0{key}".encode()).digest()
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices), torch.no_grad(), quiet_transformers():
            torch.manual_seed(int.from_bytes(digest[:8], "little"))
            out = self.net.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=most, pad_token_id=self._pad, **sampling
            )
        new = out[0, ids.shape[1] :]
        text = self.tokenizer.decode(new, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return Reply(text, ids.shape[1], len(new), complete=len(new) < most)

    @property
    def _templated(self) -> bool:
        return bool(self.tokenizer.chat_template)

    @property
    def _pad(self) -> int:
        found = self.tokenizer.pad_token_id
        return int(self.tokenizer.eos_token_id if found is None else found)

    def _prompt(self, messages: list[Message]) -> str:
        if self._templated:
            prompt: str = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            return prompt
        return "\n\n".join([*(message["content"] for message in messages), "Answer:"]) + "\n"

    def _room(self, used: int) -> int:
        """Tokens that the answer may have."""
        places = getattr(self.net.config, "max_position_embeddings", None)
        room = self.options.max_tokens if places is None else min(self.options.max_tokens, places - used)
        if room < 1:
            raise DataError(
                f"the model {self.options.model} reads {places} tokens, and the request has {used}",
                hint="Shorten the instructions, or take a model with a longer context.",
            )
        return room
