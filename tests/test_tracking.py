"""What a run logs, and what it shows while it runs."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gst import progress
from gst.errors import PluginError
from gst.kinds import Tracker
from gst.progress import Progress, clock
from gst.tracking import METRICS, Tracking, open_tracker, read_lines


class Notes(Tracker):
    """Keeps what it is told, until it breaks."""

    def __init__(self, broken: bool = False) -> None:
        self.broken, self.told, self.images = broken, [], []  # type: ignore[var-annotated]

    def log(self, step: str, iteration: int, scalars: Mapping[str, float]) -> None:
        if self.broken:
            raise ConnectionError("no network")
        self.told.append((step, iteration, dict(scalars)))

    def log_image(self, step: str, iteration: int, name: str, path: Path) -> None:
        self.images.append((step, iteration, name, path.exists()))


def iterations(path: Path, step: str) -> list[int]:
    return [line["iteration"] for line in read_lines(path) if line["step"] == step]


def test_scalars_are_lines_of_json(tmp_path: Path) -> None:
    notes = Notes()
    tracking = Tracking(tmp_path / "run", "prior", [notes])
    tracking.log(10, {"loss": 1.5, "lr": 1e-3})
    tracking.log(20, {"loss": 1})
    lines = [json.loads(text) for text in (tmp_path / "run" / METRICS).read_text().splitlines()]
    assert [(line["step"], line["iteration"], line["scalars"]) for line in lines] == notes.told
    assert notes.told == [("prior", 10, {"loss": 1.5, "lr": 0.001}), ("prior", 20, {"loss": 1.0})]


def test_pictures_are_files_beside(tmp_path: Path) -> None:
    notes = Notes()
    picture = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    path = Tracking(tmp_path, "vqgan", [notes]).log_image(7, "preview", picture)
    assert np.array_equal(np.asarray(Image.open(path)), picture)
    line = read_lines(tmp_path / METRICS)[0]
    assert tmp_path / line["path"] == path
    assert (line["image"], line["iteration"]) == ("preview", 7)
    assert notes.images == [("vqgan", 7, "preview", True)]


def test_a_step_that_goes_on_logs_nothing_twice(tmp_path: Path) -> None:
    other = Tracking(tmp_path / "run", "vqgan")
    other.log(99, {"loss": 0})
    tracking = Tracking(tmp_path / "run", "prior", history=tmp_path / "work" / METRICS)
    for iteration in (1, 2, 3, 4):
        tracking.log(iteration, {"loss": iteration})
    tracking.rewind(2)
    for iteration in (3, 4):
        tracking.log(iteration, {"loss": iteration})
    assert iterations(tmp_path / "run" / METRICS, "prior") == [1, 2, 3, 4]
    assert iterations(tmp_path / "run" / METRICS, "vqgan") == [99]


def test_a_step_that_goes_on_in_another_run_brings_its_lines(tmp_path: Path) -> None:
    history = tmp_path / "work" / METRICS
    first = Tracking(tmp_path / "one", "prior", history=history)
    for iteration in (1, 2, 3):
        first.log(iteration, {"loss": iteration})
        first.log_image(iteration, "preview", np.zeros((2, 2, 3), np.uint8))
    second = Tracking(tmp_path / "two", "prior", history=history)
    second.rewind(2)
    second.log(3, {"loss": 3})
    lines = read_lines(tmp_path / "two" / METRICS)
    assert [line["iteration"] for line in lines] == [1, 2, 3]
    assert all("path" not in line for line in lines), "those pictures are in the other folder"
    assert iterations(tmp_path / "one" / METRICS, "prior") == [1, 1, 2, 2, 3, 3]


def test_a_line_that_a_kill_cut_short_is_left_out(tmp_path: Path) -> None:
    tracking = Tracking(tmp_path, "prior")
    tracking.log(1, {"loss": 1})
    with (tmp_path / METRICS).open("a") as file:
        file.write('{"step": "prior", "iter')
    assert iterations(tmp_path / METRICS, "prior") == [1]
    tracking.rewind(1)
    tracking.log(2, {"loss": 2})
    assert iterations(tmp_path / METRICS, "prior") == [1, 2]


def test_a_tracker_that_fails_is_left_out_and_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    broken, well = Notes(broken=True), Notes()
    tracking = Tracking(tmp_path, "prior", [broken, well])
    tracking.log(1, {"loss": 1})
    tracking.log(2, {"loss": 2})
    assert [told[1] for told in well.told] == [1, 2]
    assert caplog.text.count("no network") == 1
    assert iterations(tmp_path / METRICS, "prior") == [1, 2]


def test_an_unknown_tracker_is_an_error() -> None:
    with pytest.raises(PluginError, match="weights-and-byases"):
        open_tracker("weights-and-byases", None)


# Progress


class Clock:
    """Time as these tests let it pass."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    return made


def test_a_short_task_shows_nothing(time: Clock) -> None:
    stream = io.StringIO()
    with Progress(stream).task("train", 3) as task:
        for _ in range(3):
            time.now += 0.5
            task.advance()
    assert stream.getvalue() == ""


def test_without_a_terminal_there_is_a_line_now_and_then(time: Clock) -> None:
    stream = io.StringIO()
    with Progress(stream).task("train prior", 100) as task:
        task.skip(40)
        for step in range(60):
            time.now += 0.5
            task.advance(note=f"loss {60 - step}")
    assert stream.getvalue().splitlines() == [
        "train prior  60/100  2/s  20 s left  loss 41",
        "train prior  80/100  2/s  10 s left  loss 21",
        "train prior  100/100  2/s  0 s left  loss 1",
        "train prior  100/100  took 30 s",
    ]


def test_a_task_that_breaks_off_says_nothing_of_an_end(time: Clock) -> None:
    stream = io.StringIO()
    task = Progress(stream).task("train", 9)
    with pytest.raises(ValueError, match="inside"), task:  # noqa: PT012
        time.now += 5
        raise ValueError("inside")
    assert stream.getvalue() == ""


def test_quiet_is_quiet(time: Clock) -> None:
    stream = io.StringIO()
    quiet = Progress(stream, quiet=True)
    quiet.say("something")
    with quiet.task("train", 2) as task:
        time.now += 50
        task.advance(2)
    assert stream.getvalue() == ""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_there_is_a_bar_with_rate_and_note(time: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    shown = Progress(stream)
    with shown.task("train prior", 10) as task:
        time.now += 4
        task.advance(4, note="loss 2.5")
        shown.say("a line above")
        assert shown.bars is not None
        shown.bars.refresh()
    text = stream.getvalue()
    for part in ("train prior", "4/10", "1/s", "6 s left", "loss 2.5", "a line above"):
        assert part in text
    assert not shown.bars.live.is_started


def test_markup_in_a_line_is_left_alone() -> None:
    stream = io.StringIO()
    Progress(stream).say("[bold]no[/bold] [3/4] :smile:")
    assert stream.getvalue() == "[bold]no[/bold] [3/4] :smile:\n"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59.4, "59 s"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (3599.9, "1 h 0 min")],
)
def test_clock(seconds: float, words: str) -> None:
    assert clock(seconds) == words
