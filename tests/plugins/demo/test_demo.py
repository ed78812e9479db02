"""gst-demo: the name, the weights where they are there, and the script that makes them from a run."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image

import gst
import gst_demo
from gst import plugins
from gst.errors import CheckpointError

WEIGHTS = Path(gst_demo.__file__).parent / "weights"
SHIPPED = (WEIGHTS / "pipeline.json").is_file()


@pytest.fixture
def build(root: Path) -> ModuleType:
    """plugins/gst-demo/build.py, which is no part of any package."""
    spec = importlib.util.spec_from_file_location("gst_demo_build", root / "plugins" / "gst-demo" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_name_is_registered() -> None:
    weights = plugins.registry().weights["demo"]
    assert weights.dist == "gst-demo"
    assert weights.path == WEIGHTS
    assert weights.summary


def test_the_plugin_imports_nothing_heavy() -> None:
    code = "import sys, gst_demo; print(sorted({'torch', 'numpy', 'PIL'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.skipif(SHIPPED, reason="the weights are there")
def test_without_weights_it_says_what_to_do() -> None:
    with pytest.raises(CheckpointError, match="without its weights"):
        gst.load("demo")


@pytest.mark.skipif(not SHIPPED, reason="this checkout has no weights yet")
class TestShipped:
    """What a new user sees first."""

    def test_it_draws_a_story_soon(self, gst_command: Any, tmp_path: Path) -> None:
        example = gst_command("sample", "demo", "--example")
        assert example.returncode == 0, example.stderr
        started = time.monotonic()
        done = gst_command("sample", "demo", "--captions", "-", "--out", "story.png", stdin=example.stdout)
        assert done.returncode == 0, done.stderr
        assert time.monotonic() - started < 60  # 15 s on a quiet machine; tests share it
        with Image.open(tmp_path / "story.png") as image:
            assert image.width > 5 * 200
        assert len(done.stderr.splitlines()) == len(example.stdout.splitlines())

    def test_what_is_shipped(self, root: Path) -> None:
        files = [path for path in WEIGHTS.rglob("*") if path.is_file()]
        assert sum(path.stat().st_size for path in files) <= 20_000_000
        sums = dict(reversed(line.split("  ")) for line in (WEIGHTS / "SHA256SUMS").read_text().splitlines())
        for path in files:
            if path.name != "SHA256SUMS":
                name = path.relative_to(WEIGHTS).as_posix()
                assert sums.pop(name) == hashlib.sha256(path.read_bytes()).hexdigest(), name
        assert sums == {}
        assert {"README.md", "recipe.yaml", "metrics.json", "pipeline.json"} <= {path.name for path in files}
        pipe = gst.load("demo")
        assert len(pipe.cast) == 9
        assert len(pipe.places) >= 8


def test_build_makes_weights_from_a_run(build: ModuleType, tiny_run: Any, tmp_path: Path) -> None:
    target = tmp_path / "weights"
    target.mkdir()
    (target / "old").write_text("")
    size = build.build(tiny_run.dir, target)
    assert size == sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    assert not (target / "old").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["weights"]
    pipe = gst.load(target)
    assert pipe(pipe.examples[0]).frames.shape == (5, 3, 16, 16)
    card = (target / "README.md").read_text()
    for text in ("maskgst", "Bobo", "castle", "captions(antecedent)", "MIT", "seed 0"):
        assert text in card
    for line in (target / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert digest == hashlib.sha256((target / name).read_bytes()).hexdigest()


def test_the_card_has_the_numbers_of_the_run(build: ModuleType, tiny_run: Any) -> None:
    row = {
        "metric": "char-f1",
        "of": "model",
        "value": 61.234,
        "low": 60.0,
        "high": None,
        "floor": 18.0,
        "ceiling": 95.0,
    }
    parts = {**row, "metric": "char-f1/recall"}
    lock = json.loads((tiny_run.dir / "lock.json").read_text())
    about = {"data": "story-world 'test'", "stories": 12}
    card = build.card(gst.load(tiny_run.dir), {"scores.table": {"rows": [row, parts], "about": about}}, lock)
    assert "story-world 'test', 12 stories:" in card
    assert "| char-f1 | model | 61.23 | 60.00 –  | 18.00 | 95.00 |" in card
    assert "recall" not in card


def test_build_refuses_what_must_not_be_shipped(
    build: ModuleType, tiny_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "weights"
    monkeypatch.setattr(build, "MOST_BYTES", 1000)
    with pytest.raises(SystemExit, match="at most 1,000"):
        build.build(tiny_run.dir, target)
    monkeypatch.setattr(build, "MOST_BYTES", 20_000_000)
    run = tmp_path / "run"
    shutil.copytree(tiny_run.dir, run)
    with (run / "recipe.yaml").open("a") as file:
        file.write(f"# {Path.home()}/data\n")
    with pytest.raises(SystemExit, match="names a place on this machine"):
        build.build(run, target)
    assert not target.exists()
