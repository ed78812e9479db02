"""Checkpoint folders: whole or not used; a full disk costs nothing that was there before."""

from __future__ import annotations

import json
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gst.checkpoint import MANIFEST, Checkpoint, Checkpoints, check_manifest, write_manifest
from gst.errors import CheckpointError, StoreError


def checkpoint(step: int, size: int = 16) -> Checkpoint:
    torch.manual_seed(step)
    tensors = {"model": {"w": torch.randn(size), "tied": torch.randn(2, 3).T}, "random": {"cpu": torch.get_rng_state()}}
    return Checkpoint(step, tensors, {"window": {"loss": 0.1 + 0.2}, "step": step})


def equal(a: Checkpoint, b: Checkpoint) -> bool:
    return (
        (a.step, a.state) == (b.step, b.state)
        and a.tensors.keys() == b.tensors.keys()
        and all(torch.equal(t, b.tensors[file][name]) for file in a.tensors for name, t in a.tensors[file].items())
    )


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def checkpoints(tmp_path: Path, said: list[str]) -> Checkpoints:
    return Checkpoints(tmp_path / "work", said.append)


def test_nothing_there_is_no_checkpoint(checkpoints: Checkpoints) -> None:
    assert checkpoints.latest() is None


def test_the_newest_two_are_kept_and_the_newest_comes_back(checkpoints: Checkpoints, said: list[str]) -> None:
    for step in (5, 10, 100, 200):
        checkpoints.save(checkpoint(step))
    assert [path.name for path in checkpoints.paths()] == ["step-00000100", "step-00000200"]
    found = checkpoints.latest()
    assert found is not None
    assert equal(found, checkpoint(200))
    assert said == []


def test_no_pickle_is_written(checkpoints: Checkpoints) -> None:
    path = checkpoints.save(checkpoint(1))
    assert sorted(p.name for p in path.iterdir()) == [MANIFEST, "model.safetensors", "random.safetensors", "state.json"]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def remove(path: Path) -> None:
    path.unlink()


DAMAGE: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "weights cut short": (cut, "model.safetensors", "truncated"),
    "a bit flipped": (flip, "model.safetensors", "sha256"),
    "a bit of the state flipped": (flip, "state.json", "sha256"),
    "weights gone": (remove, "model.safetensors", "missing"),
    "no manifest": (remove, MANIFEST, "not written to its end"),
    "manifest cut short": (cut, MANIFEST, "damaged"),
    "manifest empty": (lambda p: p.write_text("{}"), MANIFEST, "damaged"),
    "manifest not a mapping": (lambda p: p.write_text("[]"), MANIFEST, "damaged"),
    "file of another format": (
        lambda p: p.write_text(json.dumps({**json.loads(p.read_text()), "format": 99})),
        MANIFEST,
        "format 99",
    ),
    "a file too many": (lambda p: (p.parent / "extra.bin").write_text("x"), MANIFEST, "do not belong"),
}


@pytest.mark.parametrize("what", list(DAMAGE))
def test_a_damaged_checkpoint_is_passed_over_with_a_word(checkpoints: Checkpoints, said: list[str], what: str) -> None:
    damage, file, word = DAMAGE[what]
    checkpoints.save(checkpoint(1))
    damage(checkpoints.save(checkpoint(2)) / file)
    found = checkpoints.latest()
    assert found is not None
    assert equal(found, checkpoint(1))
    assert len(said) == 1
    assert "step-00000002 is not used" in said[0]
    assert word in said[0]


def test_a_swapped_file_is_noticed(checkpoints: Checkpoints, said: list[str]) -> None:
    first, second = checkpoints.save(checkpoint(1)), checkpoints.save(checkpoint(2))
    shutil.copy(first / "model.safetensors", second / "model.safetensors")
    found = checkpoints.latest()
    assert found is not None
    assert found.step == 1


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    place=st.floats(0, 1, exclude_max=True),
    bit=st.integers(0, 7),
    name=st.sampled_from(["model.safetensors", MANIFEST]),
)
def test_no_flipped_bit_goes_unnoticed(tmp_path: Path, place: float, bit: int, name: str) -> None:
    folder = tmp_path / "any"
    shutil.rmtree(folder, ignore_errors=True)
    path = Checkpoints(folder, lambda _: None).save(checkpoint(3))
    data = bytearray((path / name).read_bytes())
    data[int(place * len(data))] ^= 1 << bit
    (path / name).write_bytes(bytes(data))
    found = Checkpoints(folder, lambda _: None).latest()
    # A flip in the manifest may hit the white space between its parts.
    assert found is None or (name == MANIFEST and equal(found, checkpoint(3)))


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """As on a full disk, writing more than this into one file fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def test_a_full_disk_leaves_the_checkpoint_before(checkpoints: Checkpoints) -> None:
    checkpoints.save(checkpoint(1))
    with largest_file(4096), pytest.raises(StoreError) as caught:
        checkpoints.save(checkpoint(2, size=10_000))
    message = str(caught.value)
    assert "step 2 could not be written" in message
    assert "it goes on from step 1" in message
    assert "MiB are free" in message
    assert [path.name for path in checkpoints.folder.iterdir()] == ["step-00000001"]
    found = checkpoints.latest()
    assert found is not None
    assert equal(found, checkpoint(1))
    checkpoints.save(checkpoint(2))
    assert len(checkpoints.paths()) == 2


def test_what_a_kill_left_is_no_checkpoint_and_goes_away(checkpoints: Checkpoints) -> None:
    leftover = checkpoints.folder / "step-00000009.tmp-123"
    leftover.mkdir(parents=True)
    (leftover / "model.safetensors").write_text("half")
    assert checkpoints.latest() is None
    checkpoints.save(checkpoint(1))
    assert not leftover.exists()


def test_saving_a_step_again_replaces_it(checkpoints: Checkpoints) -> None:
    flip(checkpoints.save(checkpoint(4)) / "model.safetensors")
    checkpoints.save(checkpoint(4))
    found = checkpoints.latest()
    assert found is not None
    assert found.step == 4


def test_manifest_of_nested_folders(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "x").write_text("1")
    (tmp_path / "y").write_text("2")
    write_manifest(tmp_path, {"kind": "prior"})
    manifest = check_manifest(tmp_path)
    assert set(manifest["files"]) == {"a/b/x", "y"}
    assert manifest["kind"] == "prior"
    (tmp_path / "a" / "b" / "x").write_text("2")
    with pytest.raises(CheckpointError, match="a/b/x"):
        check_manifest(tmp_path)
