"""Chat completions over HTTP, as OpenAI, vLLM, llama.cpp, Ollama and others serve them."""

from __future__ import annotations

import json
import threading
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from gst.errors import WritingError
from gst_writers.rewriting import Reply

_LARGEST = 2**20
_LONGEST_WAIT = 60.0
_LONGEST_ASKED_WAIT = 600.0


class _NoRedirect(HTTPRedirectHandler):
    """A redirect would carry the key to another host."""

    def redirect_request(self, *request: Any) -> None:
        return None


class _Again(Exception):
    """A request that may go well another time; `wait` is what the endpoint asked to wait, in seconds."""

    def __init__(self, why: str, wait: float = 0.0) -> None:
        super().__init__(why)
        self.wait = wait


class Endpoint:
    """One endpoint. Threads may share it.

    Args:
        base_url: such as "http://localhost:8000/v1".
        key: sent as a bearer token, or None.
        timeout: seconds without a byte after which a request has failed.
        tries: how often a request is sent before the endpoint counts as down.
        wait: seconds before the second time; doubled for each further one.
    """

    def __init__(self, base_url: str, key: str | None, *, timeout: float, tries: int, wait: float) -> None:
        self.url = base_url.rstrip("/") + "/chat/completions"
        self.timeout, self.tries, self.wait = timeout, tries, wait
        self._key = key
        self._opener = build_opener(_NoRedirect)
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Wait for nothing any more: what is under way ends with its present request."""
        self._stopped.set()

    def chat(self, body: dict[str, Any]) -> Reply:
        """Send a request until it is answered.

        Raises:
            WritingError: it was refused (no rights, no such model), or never answered.
        """
        why = "nothing was sent"
        for attempt in range(self.tries):
            try:
                return _reply(self._send(body))
            except _Again as error:
                why = str(error)
                pause = max(error.wait, min(self.wait * 2**attempt, _LONGEST_WAIT))
            if attempt + 1 < self.tries and self._stopped.wait(pause):
                break
        raise WritingError(
            f"{self.url} did not answer in {self.tries} tries: {why}",
            hint="What was answered before is kept. Run it again later; fewer requests at a time: parallel: 1.",
        )

    def _send(self, body: dict[str, Any]) -> bytes:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._key is not None:
            headers["Authorization"] = f"Bearer {self._key}"
        request = Request(self.url, json.dumps(body).encode(), headers, method="POST")
        try:
            with self._opener.open(request, timeout=self.timeout) as response:
                content: bytes = response.read(_LARGEST + 1)
        except HTTPError as error:
            raise self._refusal(error) from error
        except (OSError, HTTPException) as error:  # no connection, a broken one, no byte in time
            raise _Again(f"{type(error).__name__}: {error}") from error
        if len(content) > _LARGEST:
            raise _Again(f"an answer of more than {_LARGEST} bytes")
        return content

    def _refusal(self, error: HTTPError) -> Exception:
        with error:
            said = error.read(300).decode("utf-8", "replace")
        if self._key:
            said = said.replace(self._key, "...")
        why = f"status {error.code}: {' '.join(said.split())}"
        if error.code in (408, 409, 425, 429) or error.code >= 500:
            return _Again(why, _seconds(error.headers.get("Retry-After")))
        return WritingError(
            f"{self.url} refuses the request, {why}", hint="Check base_url, model, and the key in the environment."
        )


def _reply(content: bytes) -> Reply:
    try:
        answer = json.loads(content)
        choice, usage = answer["choices"][0], answer.get("usage") or {}
        text, complete = choice["message"]["content"], choice.get("finish_reason") != "length"
        tokens = [int(usage.get(name) or 0) for name in ("prompt_tokens", "completion_tokens")]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise _Again(f"an answer that is no chat completion ({error!r})") from error
    return Reply(text if isinstance(text, str) else "", *tokens, complete)


def _seconds(header: str | None) -> float:
    """Retry-After in seconds; a date in it is passed over."""
    try:
        return min(max(float(header or 0), 0.0), _LONGEST_ASKED_WAIT)
    except ValueError:
        return 0.0
