"""`gst sample` and `gst data`: what they say, what they write, what they refuse, and with which exit code."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gst.cli.main import main
from gst.cli.sample import check_out, draw, read_captions
from gst.errors import DataError, StoreError, UsageError

STORY = "Bobo stands on the beach.\n\nHe meets a dragon.\n"


@pytest.fixture
def gst(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """`gst("sample", ...)` in this process: (exit code, stdout, stderr)."""

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        before = signal.getsignal(signal.SIGTERM)
        with pytest.raises(SystemExit) as end:
            main([str(a) for a in arguments])
        signal.signal(signal.SIGTERM, before)
        out = capsys.readouterr()
        return int(end.value.code or 0), out.out, out.err

    return call


@pytest.fixture
def story(tmp_path: Path) -> Path:
    path = tmp_path / "story.txt"
    path.write_text(STORY, encoding="utf-8")
    return path


def test_it_says_whom_it_recognised_and_writes_the_picture(
    gst: Any, tiny_run: Any, story: Path, tmp_path: Path
) -> None:
    out = tmp_path / "story.png"
    code, stdout, stderr = gst("sample", tiny_run.dir, "--captions", story, "--out", out, "--seed", "3")
    assert code == 0
    assert stdout == f"wrote {out}\n"
    lines = stderr.splitlines()
    assert lines[-2] == "frame 1: Bobo"
    assert lines[-1].startswith("frame 2: He -> Bobo; not in this world: ")
    assert "dragon" in lines[-1]
    with Image.open(out) as image:
        assert image.format == "PNG"
        assert image.text["seed"] == "3"


def test_it_says_so_before_it_draws(tiny_pipe: Any, tmp_path: Path) -> None:
    order: list[str] = []
    tiny_pipe.draw = lambda *given, inner=tiny_pipe.draw: (order.append("drawn"), inner(*given))[1]
    draw(tiny_pipe, ["Bobo sits.", "He naps."], tmp_path / "s.png", told=order.append)
    assert [line.split(":")[0] for line in order] == ["frame 1", "frame 2", "drawn"]


def test_json(gst: Any, tiny_run: Any, story: Path, tmp_path: Path) -> None:
    code, stdout, _ = gst("sample", tiny_run.dir, "--captions", story, "--out", tmp_path / "s.png", "--json")
    found = json.loads(stdout)
    assert code == 0
    assert [frame["characters"] for frame in found["frames"]] == [["Bobo"], ["Bobo"]]
    assert found["frames"][1]["caption"] == "He meets a dragon."
    assert "dragon" in found["frames"][1]["unknown"]
    assert (found["out"], found["seed"]) == (str(tmp_path / "s.png"), 0)


def test_the_example_can_be_drawn(gst: Any, tiny_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, example, _ = gst("sample", tiny_run.dir, "--example")
    assert code == 0
    assert len(example.splitlines()) == 5
    (tmp_path / "e.txt").write_text(example)
    assert gst("sample", tiny_run.dir, "--captions", tmp_path / "e.txt", "--out", tmp_path / "e.png")[0] == 0
    assert json.loads(gst("sample", tiny_run.dir, "--example", "--json")[1]) == example.splitlines()
    assert gst("sample", tiny_run.dir, "--example", "--seed", "1")[1] != example


def test_nobody_known(gst: Any, tiny_run: Any, tmp_path: Path) -> None:
    (tmp_path / "d.txt").write_text("A dragon sleeps.\n")
    arguments = ["sample", tiny_run.dir, "--captions", tmp_path / "d.txt", "--out", tmp_path / "d.png"]
    code, stdout, stderr = gst(*arguments)
    assert (code, stdout) == (1, "")
    for text in ("no line names a character", "Bobo", "castle", "A story to copy"):
        assert text in stderr
    assert not (tmp_path / "d.png").exists()
    code, _, stderr = gst(*arguments, "--any-text")
    assert code == 0
    assert "frame 1: nobody of the cast; not in this world: dragon" in stderr
    assert (tmp_path / "d.png").exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "has no caption"),
        (b"\n \n", "has no caption"),
        (b"\x89PNG\r\n\x1a\n\x00\xff", "is not UTF-8 text"),
        ("Bobo.".encode("utf-16"), "is not UTF-8 text"),
        (b"Bobo sits.\x00\x01\n", "caption 1 is not plain text"),
        (b"Bobo sits.\n" * 7, "at most 5 frames"),
        (b"Bobo " * 500, "caption 1 is too long"),
        (b"Bobo sits.\n" * 100_000, "larger than 1,000,000 bytes"),
    ],
)
def test_files_that_are_no_story(data: bytes, message: str, gst: Any, tiny_run: Any, tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(data)
    code, stdout, stderr = gst("sample", tiny_run.dir, "--captions", tmp_path / "bad", "--out", tmp_path / "s.png")
    assert (code, stdout) == (1, "")
    assert message in stderr
    assert "Traceback" not in stderr
    assert not (tmp_path / "s.png").exists()


@pytest.mark.parametrize(
    "case",
    [
        (["--captions", "{tmp}/missing.txt"], 1, "cannot read the captions"),
        (["--captions", "{tmp}"], 1, "cannot read the captions"),
        ([], 2, "--captions is missing"),
        (["--captions", "{story}", "--out", "{tmp}"], 2, "is a folder"),
        (["--captions", "{story}", "--out", "{tmp}/s.jpg"], 2, "must end in .png"),
        (["--captions", "{story}", "--out", "{tmp}/no/s.png"], 1, "there is no folder"),
        (["--captions", "{story}", "--seed", "-1"], 2, "seed"),
    ],
)
def test_mistakes(case: tuple[list[str], int, str], gst: Any, tiny_run: Any, story: Path) -> None:
    arguments, code, message = case
    wrong = [a.format(tmp=story.parent, story=story) for a in arguments]
    found, stdout, stderr = gst("sample", tiny_run.dir, *wrong)
    assert (found, stdout) == (code, "")
    assert message in stderr


def test_no_such_run(gst: Any, story: Path) -> None:
    code, _, stderr = gst("sample", "runs/nothing", "--captions", story)
    assert code == 2
    assert "there is no run, folder or weights 'runs/nothing'" in stderr


def test_stdin(tiny_run: Any, tmp_path: Path, gst_command: Any) -> None:
    done = gst_command("sample", str(tiny_run.dir), "--captions", "-", stdin=STORY)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "wrote story.png\n"
    assert (tmp_path / "story.png").stat().st_size > 1000


@given(st.binary(max_size=300))
def test_any_bytes_are_captions_or_an_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes"
    path.write_bytes(data)
    try:
        captions = read_captions(str(path))
    except DataError:
        return
    assert captions
    assert all(line == line.strip() != "" for line in captions)


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "bom").write_bytes(b"\xef\xbb\xbfBobo sits.\r\nHe naps.")
    assert read_captions(str(tmp_path / "bom")) == ["Bobo sits.", "He naps."]


def test_out_is_looked_at_before_the_seconds_that_loading_takes(tmp_path: Path) -> None:
    check_out(tmp_path / "S.PNG")
    with pytest.raises(UsageError):
        check_out(tmp_path / "s")
    with pytest.raises(StoreError):
        check_out(tmp_path / "a" / "s.png")


def write_story_folder(root: Path, *, pictures: bool = True) -> Path:
    root.mkdir()
    rows = []
    for number in range(3):
        names = [f"{number}-{t}.png" for t in range(2)]
        for name in names if pictures else ():
            Image.fromarray(np.full((8, 8, 3), 40 * number, np.uint8)).save(root / name)
        captions = ["Ann walks.", f"She counts to {number}."]
        rows.append({"id": f"s{number}", "split": "train", "captions": captions, "images": names})
    (root / "stories.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return root


def test_data_check(gst: Any, tmp_path: Path) -> None:
    root = write_story_folder(tmp_path / "good")
    code, stdout, _ = gst("data", "check", root)
    assert code == 0, stdout
    assert stdout.startswith(f"{root}: story-folder\n")
    assert stdout.endswith("0 errors, 1 warning\n")  # there is no cast.json
    bad = write_story_folder(tmp_path / "bad", pictures=False)
    code, stdout, _ = gst("data", "check", bad, "--json")
    found = json.loads(stdout)
    assert code == 1
    assert any("0-0.png" in f["message"] and f["level"] == "error" for f in found["findings"])
    assert gst("data", "check", tmp_path / "nowhere")[0] == 1
    (tmp_path / "empty").mkdir()
    code, _, stderr = gst("data", "check", tmp_path / "empty")
    assert code == 1
    assert "story-folder" in stderr


def test_data_view(gst: Any, tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    code, stdout, _ = gst("data", "view", "story-world", "--split", "test", "--stories", "2", "--out", out)
    assert (code, stdout) == (0, f"wrote {out}: 2 stories of test\n")
    with Image.open(out) as image:
        assert image.width > 5 * 160
    root = write_story_folder(tmp_path / "good")
    code, stdout, _ = gst("data", "view", root, "--out", out, "--json")
    assert json.loads(stdout)["stories"] == ["s0", "s1", "s2"]
    assert gst("data", "view", "story-wold", "--out", out)[0] == 2
    assert "Did you mean 'story-world'" in gst("data", "view", "story-wold", "--out", out)[2]
    assert gst("data", "view", "story-world", "--split", "no", "--out", out)[0] == 1
