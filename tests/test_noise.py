from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gst.noise import Noise


@given(st.integers(0, 2**40), st.permutations(["a", "b", "c", "d"]), st.integers(1, 4), st.integers(0, 30))
@settings(max_examples=25, deadline=None)
def test_grouping_changes_no_number(seed: int, ids: list[str], split: int, step: int) -> None:
    together = Noise(seed, ids, 3).normal((2, 2), step=step, name="x")
    parts = [Noise(seed, part, 3).normal((2, 2), step=step, name="x") for part in (ids[:split], ids[split:])]
    assert torch.equal(together, torch.cat(parts))


def test_more_frames_and_earlier_draws_change_no_number() -> None:
    short, long = Noise(1, ["a"], 2), Noise(1, ["a"], 5)
    for step in range(3):
        long.uniform((7,), step=step, name="other")
    assert torch.equal(short.uniform((4,), step=3, name="x"), long.uniform((4,), step=3, name="x")[:, :2])


def test_each_of_seed_story_frame_step_and_name_changes_the_numbers() -> None:
    def draw(seed: int = 0, story: str = "a", frame: int = 0, step: int = 0, name: str = "x") -> tuple[float, ...]:
        return tuple(Noise(seed, [story], 2).uniform((4,), step=step, name=name)[0, frame].tolist())

    draws = {draw(), draw(seed=1), draw(story="b"), draw(frame=1), draw(step=1), draw(name="y")}
    assert len(draws) == 6
    assert draw(seed=1, story="1") != draw(seed=11, story="")  # the parts of the key cannot run into each other


def test_other_processes_draw_the_same() -> None:
    code = "from gst.noise import Noise; print(Noise(5, ['s'], 2).normal((3,), step=1, name='n').tolist())"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert other == str(Noise(5, ["s"], 2).normal((3,), step=1, name="n").tolist())


@pytest.mark.parametrize(
    ("kind", "mean", "deviation"),
    [("uniform", 0.5, 12**-0.5), ("normal", 0.0, 1.0), ("gumbel", 0.5772, torch.pi / 6**0.5)],
)
def test_distributions(kind: str, mean: float, deviation: float) -> None:
    x = getattr(Noise(0, ["a", "b"], 5), kind)((2000,), step=0, name="x")
    assert x.shape == (2, 5, 2000)
    assert x.dtype == torch.float32
    assert x.isfinite().all()
    assert x.mean().item() == pytest.approx(mean, abs=0.05)
    assert x.std().item() == pytest.approx(deviation, rel=0.05)
    streams = x.flatten(0, 1)
    assert (torch.corrcoef(streams) - torch.eye(10)).abs().max() < 0.1  # stories and frames are independent
