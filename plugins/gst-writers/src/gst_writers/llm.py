"""Captions in other words, by a language model behind an endpoint."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from gst.cast import Cast
from gst.errors import UsageError
from gst.kinds import Original, Writer, Written
from gst_writers.endpoint import Endpoint
from gst_writers.journal import Journal
from gst_writers.prompt import Message
from gst_writers.rewriting import Reply, Rewriting

_MILLION = 1e6
_NEUTRAL = ("key_env", "tries", "timeout", "wait", "parallel", "price_in", "price_out", "cache")


class Llm(Writer):
    """A language model puts the captions of a story into other words (MaskGST thesis, section 8.4).

    It is told its role and who is in the cast, and gets the T captions as numbered lines; T numbered lines must come
    back, each with the names of the caption it stands for and with the same characters (see `gst_writers.answer`). An
    answer that is not like that is asked for again, with the reason. Every answer is kept at once, by the content of
    what was asked, so a run that was killed pays for nothing twice. Tokens are counted, those of refused answers too.

    Args:
        model: the model's name at the endpoint.
        base_url: of an endpoint that serves chat completions as OpenAI does; vLLM, llama.cpp and Ollama do.
        key_env: the environment variable that holds the key; null for endpoints that want none. The key itself stands
            nowhere, neither in recipes nor in logs.
        instructions: what the model is told before the cast, in place of the usual words.
        temperature: sent along; null leaves it to the endpoint.
        max_words: captions of more words are refused.
        tries: how often a story is asked for before it has failed; also how often a request is sent before the endpoint
            counts as down.
        timeout: seconds without a byte after which a request has failed.
        wait: seconds before a request is sent again, doubled each time; more where the endpoint asks for more.
        parallel: requests at a time.
        price_in: of a million tokens read, to count what it costs.
        price_out: of a million tokens written.
        cache: a folder where answers are kept for other runs too; otherwise a step keeps them until it is finished.
    """

    def __init__(
        self,
        *,
        model: str,
        base_url: Annotated[str, Field(pattern=r"^https?://")] = "https://api.openai.com/v1",
        key_env: str | None = "OPENAI_API_KEY",
        instructions: str | None = None,
        temperature: NonNegativeFloat | None = None,
        max_words: PositiveInt = 40,
        tries: PositiveInt = 4,
        timeout: PositiveFloat = 60.0,
        wait: NonNegativeFloat = 1.0,
        parallel: PositiveInt = 4,
        price_in: NonNegativeFloat = 0.0,
        price_out: NonNegativeFloat = 0.0,
        cache: str | None = None,
    ) -> None:
        self.model, self.base_url, self.key_env, self.instructions = model, base_url, key_env, instructions
        self.temperature, self.max_words, self.tries, self.timeout = temperature, max_words, tries, timeout
        self.wait, self.parallel, self.prices, self.cache = wait, parallel, (price_in, price_out), cache

    @classmethod
    def identity(cls, options: Mapping[str, Any]) -> Mapping[str, Any]:
        return {name: value for name, value in options.items() if name not in _NEUTRAL}

    def write(
        self, stories: Sequence[Original], *, cast: Cast, seed: int, work: Path, device: torch.device
    ) -> Iterator[Written]:
        endpoint = Endpoint(self.base_url, self._key(), timeout=self.timeout, tries=self.tries, wait=self.wait)
        sent: dict[str, Any] = {"model": self.model}
        if self.temperature is not None:
            sent["temperature"] = self.temperature

        def ask(messages: list[Message], attempt: int) -> Reply:
            return endpoint.chat({**sent, "messages": messages})

        rewriting = Rewriting(
            ask,
            [self.base_url, sent],
            cast,
            Journal(work if self.cache is None else Path(self.cache).expanduser()),
            self.instructions,
            self.max_words,
            self.tries,
            seed,
        )
        return self._all(stories, rewriting, endpoint)

    def _all(self, stories: Sequence[Original], rewriting: Rewriting, endpoint: Endpoint) -> Iterator[Written]:
        """In order, some requests ahead."""
        ahead: deque[Future[Written]] = deque()
        pool = ThreadPoolExecutor(self.parallel)
        try:
            for story in stories:
                ahead.append(pool.submit(rewriting.story, story))
                if len(ahead) > 2 * self.parallel:
                    yield self._priced(ahead.popleft().result())
            while ahead:
                yield self._priced(ahead.popleft().result())
        finally:
            endpoint.stop()
            pool.shutdown(cancel_futures=True)

    def _priced(self, written: Written) -> Written:
        cost = dict(written.cost)
        if any(self.prices):
            tokens = (cost.get("tokens_in", 0), cost.get("tokens_out", 0))
            cost["price"] = sum(n * price for n, price in zip(tokens, self.prices, strict=True)) / _MILLION
        return Written(written.captions, written.failure, cost)

    def _key(self) -> str | None:
        if self.key_env is None:
            return None
        key = os.environ.get(self.key_env, "").strip()
        if not key:
            raise UsageError(
                f"writer 'llm' needs the key of {self.base_url} in the environment variable {self.key_env}, which is "
                "not set",
                hint="Set it, name another one with key_env, or set key_env to null for an endpoint that wants no key.",
            )
        return key
