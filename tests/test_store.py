"""The store under faults: killed writers, damaged files, full disks, two processes at once."""

import errno
import itertools
import json
import os
import random
import signal
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from gst import store as store_module
from gst.artifacts import Artifact, Table
from gst.collect import collect, survey
from gst.errors import GstError, StoreError
from gst.rundir import RunDir
from gst.store import Store, default_root

PRINT = "ab" + "0" * 62
OTHER = "cd" + "1" * 62
TABLE = Table([{"metric": "m", "of": "x", "value": 1.5}], {"a": 1})
INFO = {"step": "s", "use": "u", "seconds": 1.0}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def put(store, fingerprint=PRINT, **outputs):
    with store.lock(fingerprint):
        return store.commit(fingerprint, outputs or {"table": TABLE}, INFO)


def test_what_is_put_in_comes_out(store):
    assert store.find(PRINT) is None
    entry = put(store)
    assert store.load(entry, "table", Table) == TABLE
    assert entry.info["step"] == "s"
    assert entry.size == sum(
        p.stat().st_size for p in entry.folder.rglob("*") if p.name != "MANIFEST.json" and p.is_file()
    )
    assert [fingerprint for fingerprint, _ in store.entries()] == [PRINT]


def test_a_second_commit_replaces_the_first(store):
    put(store)
    entry = put(store, table=Table([]))
    assert store.load(entry, "table", Table).rows == []
    assert not any((store.root / "tmp").iterdir())


def test_the_scratch_folder_goes_when_the_step_is_finished(store):
    store.work(PRINT).mkdir(parents=True)
    (store.work(PRINT) / "checkpoint").write_text("x")
    entry = put(store)
    assert not store.work(PRINT).exists()
    assert store.find(PRINT) == entry


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGE = {
    "truncated": lambda f: (f / "table" / "table.json").write_bytes((f / "table" / "table.json").read_bytes()[:-5]),
    "bit flipped": lambda f: flip(f / "table" / "table.json"),
    "swapped": lambda f: (f / "table" / "table.json").write_text(
        (f / "table" / "table.json").read_text().replace("1.5", "2.5")
    ),
    "missing": lambda f: (f / "table" / "table.json").unlink(),
    "port missing": lambda f: ((f / "table" / "table.json").unlink(), (f / "table").rmdir()),
    "more": lambda f: (f / "table" / "more").write_text("x"),
    "empty": lambda f: (f / "table" / "table.json").write_bytes(b""),
    "info flipped": lambda f: flip(f / "entry.json"),
    "no manifest": lambda f: (f / "MANIFEST.json").unlink(),
    "manifest truncated": lambda f: (f / "MANIFEST.json").write_bytes((f / "MANIFEST.json").read_bytes()[:-9]),
    "manifest a list": lambda f: (f / "MANIFEST.json").write_text("[]"),
    "manifest of another": lambda f: (f / "MANIFEST.json").write_text(
        (f / "MANIFEST.json").read_text().replace(PRINT, OTHER)
    ),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_nothing_damaged_is_ever_used(case, store):
    entry = put(store)
    DAMAGE[case](entry.folder)
    with pytest.raises(StoreError) as caught:
        store.load(store.find(PRINT), "table", Table)
    assert str(entry.folder) in caught.value.message
    assert "gst store gc --corrupt" in caught.value.hint
    assert "--force" in caught.value.hint
    removed = collect(store, corrupt=True)
    assert [item.state for item in removed] == ["damaged"]
    assert store.find(PRINT) is None
    put(store)
    assert store.load(store.find(PRINT), "table", Table) == TABLE


def test_damage_is_seen_although_the_entry_was_read_before(store):
    entry = put(store)
    store.load(entry, "table", Table)
    time.sleep(0.01)
    DAMAGE["swapped"](entry.folder)
    with pytest.raises(StoreError, match="is not what was written"):
        store.load(store.find(PRINT), "table", Table)


class Full(Artifact):
    """An artifact that a full disk interrupts."""

    def save(self, folder):
        (folder / "half").write_text("half of it")
        raise OSError(errno.ENOSPC, "No space left on device", str(folder / "rest"))

    @classmethod
    def load(cls, folder):
        return cls()


def test_a_full_disk_is_said_and_leaves_nothing_half(store):
    put(store, OTHER)
    store.work(PRINT).mkdir(parents=True)
    (store.work(PRINT) / "checkpoint").write_text("x")
    with pytest.raises(StoreError, match=r"the disk is full: .*rest") as caught:
        put(store, full=Full())
    assert "gst store" in caught.value.hint
    assert store.find(PRINT) is None
    assert (store.work(PRINT) / "checkpoint").exists()
    assert store.find(OTHER) is not None
    put(store)
    assert store.load(store.find(PRINT), "table", Table) == TABLE
    assert not any((store.root / "tmp").iterdir())


def test_a_full_disk_keeps_the_entry_that_was_there(store):
    put(store)
    with pytest.raises(StoreError):
        put(store, full=Full())
    assert store.load(store.find(PRINT), "table", Table) == TABLE


def test_a_store_that_cannot_be_written_is_an_error_with_advice(tmp_path):
    (tmp_path / "file").write_text("in the way")
    for broken in (Store(tmp_path / "file"), Store(Path("/proc/gst-store"))):
        with pytest.raises(StoreError) as caught:
            put(broken)
        assert "cannot be written" in caught.value.message
        assert "GST_STORE" in caught.value.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_an_error_with_advice(store):
    put(store)
    for folder in (store.root, *store.root.iterdir()):
        if folder.is_dir():
            folder.chmod(0o555)
    try:
        assert store.load(store.find(PRINT), "table", Table) == TABLE
        with pytest.raises(StoreError, match="cannot be written"):
            put(store, OTHER)
    finally:
        for folder in (store.root, *store.root.iterdir()):
            if folder.is_dir():
                folder.chmod(0o755)


ROWS = [{"metric": "m", "of": "x", "value": float(i), "signature": "s" * 50} for i in range(2000)]


@contextmanager
def another_process(work):
    """A process that tells a byte when it has begun, goes on, and is killed at the end. It does nothing with torch."""
    begun, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            work(lambda: os.write(tell, b"x"))
        finally:
            os._exit(1)
    try:
        assert os.read(begun, 1) == b"x"
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(begun)
        os.close(tell)


def holder(store):
    def work(begun):
        with store.lock(PRINT):
            begun()
            time.sleep(60)

    return another_process(work)


def writer(store):
    def work(begun):
        for count in itertools.count():
            put(store, f"{count % 5:02x}" + "2" * 62, table=Table(ROWS, {"count": count}))
            if count == 0:
                begun()

    return another_process(work)


def test_a_writer_killed_at_any_moment_leaves_whole_entries_only(store):
    chance, seen = random.Random(0), 0
    for _ in range(12):
        with writer(store):
            time.sleep(chance.random() * 0.15)
        for _, entry in store.entries():
            assert not isinstance(entry, StoreError)
            store.verify(entry)
            assert len(store.load(entry, "table", Table).rows) == len(ROWS)
            seen += 1
    assert seen
    collect(store)  # the dead hold no locks
    assert not any((store.root / "tmp").iterdir())
    assert list(store.entries()) == []


def test_a_lock_is_waited_for_and_its_holder_is_named(store):
    told = []
    with holder(store) as pid:

        def wait(owner):
            told.append(owner)
            os.kill(pid, signal.SIGKILL)

        with store.lock(PRINT, wait):
            assert told == [f"process {pid}"]


def test_the_default_place(monkeypatch, tmp_path):
    monkeypatch.setenv("GST_STORE", str(tmp_path / "here"))
    assert default_root() == tmp_path / "here"
    monkeypatch.delenv("GST_STORE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_root() == tmp_path / ".cache" / "gst" / "store"


def run_that_uses(store, folder, *fingerprints):
    steps = {f"s{i}": {"fingerprint": f, "state": "done"} for i, f in enumerate(fingerprints)}
    RunDir(folder).write("run.json", {"steps": steps})
    store.register(folder)


def test_gc_keeps_what_runs_use_and_takes_the_rest(store, tmp_path):
    put(store)
    put(store, OTHER)
    third = "ef" + "3" * 62
    store.work(third).mkdir(parents=True)
    (store.work(third) / "x").write_text("x" * 10)
    run_that_uses(store, tmp_path / "run", PRINT)
    states = {(item.fingerprint, item.what): item.state for item in survey(store)}
    assert states == {(PRINT, "step"): "used", (OTHER, "step"): "unused", (third, "work"): "unused"}
    assert {item.fingerprint for item in collect(store, dry_run=True)} == {OTHER, third}
    assert store.find(OTHER) is not None
    assert {item.fingerprint for item in collect(store)} == {OTHER, third}
    assert store.find(PRINT) is not None
    assert store.find(OTHER) is None
    assert not store.work(third).exists()
    (tmp_path / "run" / "run.json").unlink()
    assert [item.fingerprint for item in collect(store)] == [PRINT]
    assert list((store.root / "runs").iterdir()) == []


def test_gc_leaves_alone_what_is_being_made(store):
    store.work(PRINT).mkdir(parents=True)
    with holder(store):
        assert collect(store) == []
        assert store.work(PRINT).exists()
    assert [item.what for item in collect(store)] == ["work"]


def test_gc_takes_what_killed_processes_left(store):
    left = store.root / "tmp" / PRINT
    left.mkdir(parents=True)
    (left / "half").write_text("half")
    (store.root / "tmp" / f"{PRINT}.old").mkdir()
    assert {item.what for item in collect(store)} == {"leftover"}
    assert not any((store.root / "tmp").iterdir())


def test_gc_takes_nothing_while_a_run_cannot_be_read(store, tmp_path):
    put(store)
    run_that_uses(store, tmp_path / "run", PRINT)
    (tmp_path / "run" / "run.json").write_text("{")
    with pytest.raises(GstError, match="cannot be read"):
        collect(store)
    assert store.find(PRINT) is not None


def test_gc_of_no_store_does_nothing(tmp_path):
    assert collect(Store(tmp_path / "none")) == []
    assert not (tmp_path / "none").exists()


def test_manifest_and_files_reach_the_disk_before_the_name(store, monkeypatch):
    """Everything is synced before the rename that makes it visible."""
    order = []
    real_sync, real_rename = store_module.sync, os.rename
    monkeypatch.setattr(store_module, "sync", lambda path: (order.append(path.name), real_sync(path)))
    monkeypatch.setattr(store_module.os, "rename", lambda a, b: (order.append("RENAME"), real_rename(a, b)))
    put(store)
    before = order[: order.index("RENAME")]
    assert {"table.json", "entry.json", "MANIFEST.json", "table"} <= set(before)
    assert before.index("MANIFEST.json") > before.index("table.json")
    assert order[-1] == PRINT[:2]


def test_arrays_are_opened_without_being_read(store):
    from gst.artifacts import Pictures

    frames = np.arange(2 * 1 * 3 * 4 * 4, dtype=np.uint8).reshape(2, 1, 3, 4, 4)
    entry = put(store, pictures=Pictures(["a", "b"], [["x"], ["y"]], frames, "source"))
    opened = store.load(entry, "pictures", Pictures)
    assert isinstance(opened.frames, np.memmap)
    np.testing.assert_array_equal(opened.frames, frames)
    assert json.loads((entry.folder / "entry.json").read_text())["ports"] == {"pictures": "Pictures"}
