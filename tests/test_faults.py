"""Kill -9 at random moments, and run again: in the end there are the same bits as without."""

from __future__ import annotations

import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import gst
from gst.checkpoint import sha256
from gst.saving import save_component
from gst.tracking import read_lines

WORKER = Path(__file__).parent / "faults" / "worker.py"


class Worker:
    """Runs steps one after the other, each in a process of its own (see `faults/worker.py`)."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def run(self, step: str, inputs: Path, folder: Path, seconds: float | None = None) -> int:
        """Run a step, killed after so many seconds. Returns its exit code; -9 if it was killed."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([step, str(inputs), str(folder)]) + "\n")
        child = int(self.process.stdout.readline())
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            os.kill(child, signal.SIGKILL)
        return int(self.process.stdout.readline())


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    made = Worker()
    with made.process:
        yield made
        assert made.process.stdin is not None
        made.process.stdin.close()


@pytest.fixture(scope="module")
def undisturbed(worker: Worker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every step run through, one after the other; each one's inputs are the outputs of those before."""
    folder = tmp_path_factory.mktemp("undisturbed")
    data: Any = gst.build("dataset", "story-world", size=32, train=40)
    text: Any = gst.build("text", "bpe", vocab_size=300, length=48)
    text.fit(caption for i in range(40) for caption in data.split("train").captions(i))
    save_component(text, folder / "text")
    for step in ("vqgan", "tokens", "prior"):
        assert worker.run(step, folder, folder / f"of-{step}") == 0
        shutil.copytree(folder / f"of-{step}" / "out", folder / step)
    return folder


def files(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): sha256(p) for p in sorted(folder.rglob("*")) if p.is_file()}


def logged(folder: Path) -> list[Any]:
    lines = read_lines(folder / "run" / "metrics.jsonl")
    for line in lines:
        line["scalars"].pop("examples_per_second", None)
    return [(line["iteration"], line["scalars"]) for line in lines]


@pytest.mark.parametrize("step", ["vqgan", "tokens", "prior"])
def test_killed_at_random_moments_it_ends_in_the_same_bits(
    worker: Worker, undisturbed: Path, tmp_path: Path, step: str
) -> None:
    chance = random.Random(step)
    kills, patience = 0, 0.02
    while (code := worker.run(step, undisturbed, tmp_path, chance.uniform(0.2, 1.0) * patience)) != 0:
        assert code == -9
        kills += 1
        patience *= 1.3  # however slow the machine is, it gets to its end
    assert kills >= 3
    assert files(tmp_path / "out") == files(undisturbed / step)
    assert logged(tmp_path) == logged(undisturbed / f"of-{step}")
