"""An endpoint on this machine that answers as it is told, rightly and wrongly."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from gst.cast import Cast, Character
from gst.kinds import Original

CAST = Cast((Character("Bobo", ("bear",), ("he",), "a round bear"), Character("Pim", ("girl",), ("she",))))
STORIES = [
    Original(f"story-{i}", (f"Bobo waves at {i} o'clock.", "He sees Pim.", "They sing in the forest."))
    for i in range(6)
]


def rewritten(captions: tuple[str, ...]) -> tuple[str, ...]:
    """A right answer to one of `STORIES`."""
    return (f"Look: {captions[0]}", "Bobo meets Pim.", "Bobo and Pim are singing.")


@dataclass
class Answer:
    """What is sent back: a text as a chat completion, or a body as it is."""

    text: str | None = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    delay: float = 0.0
    finish: str = "stop"


@dataclass
class Fake:
    """The endpoint: `answers` are sent first, one a request; then each story is answered rightly."""

    answers: list[Answer] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, body: dict[str, Any], key: str | None) -> Answer:
        with self.lock:
            self.requests.append(body)
            self.keys.append(key)
            if self.answers:
                return self.answers.pop(0)
        asked = body["messages"][1]["content"].splitlines()
        captions = tuple(line.partition(". ")[2] for line in asked)
        return Answer("\n".join(f"{n}. {c}" for n, c in enumerate(rewritten(captions), 1)))


@pytest.fixture
def endpoint() -> Iterator[Fake]:
    fake = Fake()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = fake.answer(body, self.headers.get("Authorization"))
            time.sleep(answer.delay)
            content = answer.body
            if content is None:
                choice = {"message": {"role": "assistant", "content": answer.text}, "finish_reason": answer.finish}
                usage = {"prompt_tokens": 100, "completion_tokens": 20}
                content = json.dumps({"choices": [choice], "usage": usage}).encode()
            try:
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
            except OSError:
                pass  # who asked is gone

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    yield fake
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def cast() -> Cast:
    return CAST


@pytest.fixture
def stories() -> list[Original]:
    return STORIES


@pytest.fixture
def right() -> Callable[[tuple[str, ...]], tuple[str, ...]]:
    return rewritten


@pytest.fixture
def answer() -> type[Answer]:
    return Answer
