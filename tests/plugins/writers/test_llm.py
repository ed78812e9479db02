"""Writer `llm`, against an endpoint that also answers wrongly, slowly and not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import gst
from gst.artifacts import Captions
from gst.errors import OptionError, UsageError, WritingError
from gst.kinds import Original, Written
from gst.steps.write import Write
from gst_writers.llm import Llm

FAST: dict[str, Any] = {"model": "m", "wait": 0.001, "timeout": 5.0, "key_env": None}


def start(endpoint: Any, cast: Any, stories: Sequence[Original], work: Path, **options: Any) -> Any:
    writer: Any = gst.build("writer", "llm", **{**FAST, "base_url": endpoint.url, **options})
    seed = options.pop("seed", 0)
    return writer.write(stories, cast=cast, seed=seed, work=work, device=torch.device("cpu"))


@pytest.fixture
def write(endpoint: Any, cast: Any, tmp_path: Path) -> Callable[..., list[Written]]:
    return lambda stories, **options: list(start(endpoint, cast, stories, tmp_path, **options))


def test_every_story_comes_back_in_order_with_its_cost(write: Any, endpoint: Any, stories: Any, right: Any) -> None:
    written = write(stories, parallel=3, price_in=2.0, price_out=10.0, temperature=0.5)
    assert [w.captions for w in written] == [right(s.captions) for s in stories]
    assert all(w.cost == {"requests": 1, "tokens_in": 100, "tokens_out": 20, "price": 400e-6} for w in written)
    assert len(endpoint.requests) == len(stories)
    assert {(r["model"], r["temperature"]) for r in endpoint.requests} == {("m", 0.5)}
    role, asked = endpoint.requests[0]["messages"]
    assert "Bobo or bear is a round bear." in role["content"]
    assert asked["content"].splitlines()[1] == "2. He sees Pim."


def test_the_key_comes_from_the_environment(
    write: Any, endpoint: Any, stories: Any, answer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="environment variable GST_TEST_KEY, which is not set"):
        write(stories[:1], key_env="GST_TEST_KEY")
    monkeypatch.setenv("GST_TEST_KEY", "secret-1")
    write(stories[:1], key_env="GST_TEST_KEY")
    write(stories[1:2])
    assert endpoint.keys == ["Bearer secret-1", None]
    endpoint.answers = [answer(status=401, body=b'{"error": "wrong key secret-1"}')]
    with pytest.raises(WritingError, match="refuses the request, status 401") as caught:
        write(stories[2:3], key_env="GST_TEST_KEY")
    assert "secret-1" not in str(caught.value)
    assert len(endpoint.requests) == 3
    endpoint.answers = [answer(status=307, headers={"Location": f"{endpoint.url}/elsewhere"})]
    with pytest.raises(WritingError, match="status 307"):
        write(stories[3:4], key_env="GST_TEST_KEY")
    assert len(endpoint.requests) == 4, "a redirect is not followed"


@pytest.mark.parametrize(
    ("text", "finish", "why"),
    [
        ("1. Bobo waves.\n2. He sees Pim.", "stop", "there are 2 numbered lines, and there must be 3"),
        ("1. Bobo.\n2. Bobo and Pim.\n3. Bobo sings.", "stop", "line 3 must name Pim"),
        ("1. Bobo.\n2. Bobo and Pim.\n3. Bobo and Pim", "length", "cut off"),
        (None, "stop", "there are 0 numbered lines"),
    ],
)
def test_a_wrong_answer_is_asked_for_again_with_the_reason(
    *, write: Any, endpoint: Any, stories: Any, right: Any, answer: Any, text: str | None, finish: str, why: str
) -> None:
    endpoint.answers = [answer(text, finish=finish)]
    (written,) = write(stories[:1])
    assert written.captions == right(stories[0].captions)
    assert written.cost == {"requests": 2, "tokens_in": 200, "tokens_out": 40}
    again = endpoint.requests[1]["messages"]
    assert [m["role"] for m in again] == ["system", "user", "assistant", "user"]
    assert again[:2] == endpoint.requests[0]["messages"]
    assert again[2]["content"] == (text or "")
    assert why in again[3]["content"]


def test_a_story_that_is_never_answered_rightly_has_failed(
    write: Any, endpoint: Any, stories: Any, right: Any, answer: Any
) -> None:
    endpoint.answers = [answer("No.")] * 3
    first, second = write(stories[:2], tries=3, parallel=1)
    assert first.captions is None
    assert "0 numbered lines" in first.failure
    assert first.cost["requests"] == 3
    assert second.captions == right(stories[1].captions)
    (again,) = write(stories[:1], tries=3)  # what failed is asked for anew, and what it took is still counted
    assert again.captions == right(stories[0].captions)
    assert again.cost["requests"] == 4


def test_an_endpoint_in_trouble_is_asked_again(
    write: Any, endpoint: Any, stories: Any, right: Any, answer: Any
) -> None:
    endpoint.answers = [
        answer(status=429, headers={"Retry-After": "0.01"}, body=b"slow down"),
        answer(status=500, body=b"oops"),
        answer(body=b"<html>"),
        answer(body=b'{"choices": []}'),
        answer(delay=0.6),
    ]
    (written,) = write(stories[:1], tries=6, timeout=0.3)
    assert written.captions == right(stories[0].captions)
    assert len(endpoint.requests) == 6
    assert written.cost["requests"] == 1, "what was never answered costs nothing"


def test_an_endpoint_that_is_down_ends_the_writing(
    endpoint: Any, cast: Any, stories: Any, answer: Any, tmp_path: Path
) -> None:
    endpoint.answers = [answer(status=503, body=b"busy")] * 2
    with pytest.raises(WritingError, match=r"did not answer in 2 tries: status 503: busy"):
        list(start(endpoint, cast, stories, tmp_path, tries=2, parallel=1))
    assert len(endpoint.requests) < 2 + len(stories)
    nowhere = SimpleNamespace(url="http://127.0.0.1:9/v1")
    with pytest.raises(WritingError, match=r"did not answer in 2 tries: .*refused"):
        list(start(nowhere, cast, stories, tmp_path / "other", tries=2))


def test_waiting_doubles_and_heeds_the_endpoint(endpoint: Any, answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from gst_writers.endpoint import Endpoint

    client = Endpoint(endpoint.url, None, timeout=5.0, tries=5, wait=1.0)
    waited: list[float] = []
    monkeypatch.setattr(client._stopped, "wait", waited.append)
    endpoint.answers = [
        answer(status=500),
        answer(status=500),
        answer(status=429, headers={"Retry-After": "30"}),
        answer(status=500),
        answer("done"),
    ]
    assert client.chat({"messages": []}).text == "done"
    assert waited == [1.0, 2.0, 30.0, 8.0]


def test_a_killed_writing_goes_on_and_pays_for_nothing_twice(
    endpoint: Any, cast: Any, stories: Any, right: Any, tmp_path: Path
) -> None:
    running = start(endpoint, cast, stories, tmp_path, parallel=1)
    next(running)
    running.close()
    paid = len(endpoint.requests)
    assert 1 <= paid < len(stories)
    journal = tmp_path / "answers.jsonl"
    kept = len(journal.read_text().splitlines())
    assert kept == paid
    with journal.open("a") as file:
        file.write('{"key": "cut sh')
    written = list(start(endpoint, cast, stories, tmp_path))
    assert [w.captions for w in written] == [right(s.captions) for s in stories]
    assert len(endpoint.requests) == len(stories)
    assert list(start(endpoint, cast, stories, tmp_path)) == written
    assert len(endpoint.requests) == len(stories)


def test_answers_are_kept_by_what_was_asked(endpoint: Any, cast: Any, stories: Any, tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    asked = 0
    for options in ({}, {"model": "other"}, {"instructions": "Anew."}, {"temperature": 0.1}, {"max_words": 30}):
        for _ in range(2):
            list(start(endpoint, cast, stories[:2], tmp_path / "work", cache=cache, **options))
        asked += 2
        assert len(endpoint.requests) == asked
    assert not (tmp_path / "work").exists()


def test_only_what_changes_captions_is_part_of_the_fingerprint() -> None:
    options = {"model": "m", "tries": 3, "timeout": 1.0, "price_in": 2.0, "cache": "x", "key_env": "K", "max_words": 9}
    assert Llm.identity(options) == {"model": "m", "max_words": 9}
    with pytest.raises(OptionError, match="base_url"):
        gst.build("writer", "llm", model="m", base_url="ftp://somewhere")


class Split:
    """What the step reads of a split."""

    def __init__(self, cast: Any, stories: Sequence[Original]) -> None:
        self.dataset, self.stories, self.name = SimpleNamespace(cast=cast), stories, "train"

    def __len__(self) -> int:
        return len(self.stories)

    def id(self, index: int) -> str:
        return self.stories[index].id

    def captions(self, index: int) -> tuple[str, ...]:
        return self.stories[index].captions


def test_the_step_counts_lists_and_keeps(
    *, endpoint: Any, cast: Any, stories: Any, right: Any, answer: Any, step_context: Any, tmp_path: Path, capsys: Any
) -> None:
    writer: Any = gst.build("writer", "llm", **FAST, base_url=endpoint.url, tries=1, parallel=1, price_in=1.0)
    split: Any = Split(cast, stories)
    endpoint.answers = [answer("No.")]
    with pytest.raises(WritingError, match=r"failed on story 'story-0': there are 0 numbered lines"):
        Write(writer=writer, data=split).run(step_context("first"))
    endpoint.answers = [answer("No.")]
    context = step_context("second")
    made = Write(writer=writer, data=split, stories=4, on_failure="keep").run(context)["captions"]
    assert made.stories == {s.id: list(right(s.captions)) for s in stories[1:4]}
    assert list(made.about["failures"]) == ["story-0"]
    assert made.about["cost"] == {"requests": 4, "tokens_in": 400, "tokens_out": 80, "price": pytest.approx(400e-6)}
    assert "story story-0 keeps its own captions: there are 0 numbered lines" in capsys.readouterr().err
    (line,) = [json.loads(x) for x in (context.run_dir / "metrics.jsonl").read_text().splitlines() if "second" in x]
    assert line["scalars"] == {"stories": 3, "failures": 1, **made.about["cost"]}
    (tmp_path / "saved").mkdir()
    made.save(tmp_path / "saved")
    assert Captions.load(tmp_path / "saved") == made
