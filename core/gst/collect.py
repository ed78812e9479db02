"""What is in the store, who uses it, and taking out what nobody uses."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gst.disk import writing
from gst.errors import StoreError
from gst.rundir import STATE
from gst.store import Store, StoreEntry


@dataclass(frozen=True)
class Item:
    """One thing in the store.

    Args:
        fingerprint: of the step.
        what: a finished step, the scratch folder of one that is not, or what a killed process left.
        state: "used" by a run's folder that is still there, "unused", or "damaged".
        size: bytes.
        runs: folders of the runs that use it.
        info: what was written about it.
        problem: what is wrong with it, or None.
    """

    fingerprint: str
    what: Literal["step", "work", "leftover"]
    state: Literal["used", "unused", "damaged"]
    size: int
    runs: tuple[str, ...]
    info: Mapping[str, Any]
    problem: str | None = None


def survey(store: Store, *, hashes: bool = False) -> list[Item]:
    """Everything in the store.

    Args:
        store: which.
        hashes: read every file and compare its hash; otherwise sizes only.
    """
    users = _users(store)
    items = []
    for fingerprint, entry in store.entries():
        runs = tuple(users.get(fingerprint, ()))
        problem = _problem(store, entry, hashes)
        size = _size(store.folder(fingerprint))
        info = entry.info if isinstance(entry, StoreEntry) else {}
        state: Any = "damaged" if problem else "used" if runs else "unused"
        items.append(Item(fingerprint, "step", state, size, runs, info, problem))
    for folder in sorted(store.root.glob("work/*")):
        runs = tuple(users.get(folder.name, ()))
        items.append(Item(folder.name, "work", "used" if runs else "unused", _size(folder), runs, {}))
    for folder in sorted(store.root.glob("tmp/*")):
        items.append(Item(folder.name.partition(".")[0], "leftover", "unused", _size(folder), (), {}))
    return items


def collect(store: Store, *, corrupt: bool = False, dry_run: bool = False) -> list[Item]:
    """Take out what no run uses; or, with `corrupt`, what is damaged. Returns what was (or would be) taken out.

    What another process is working on stays.
    """
    if not store.root.is_dir():
        return []
    wanted = "damaged" if corrupt else "unused"
    removed = []
    for item in survey(store, hashes=corrupt):
        if item.state != wanted:
            continue
        with _held(store, item.fingerprint) as mine:
            if not mine:
                continue
            removed.append(item)
            if not dry_run:
                _remove(store, item)
    if not dry_run:
        _forget_runs(store)
    return removed


def _remove(store: Store, item: Item) -> None:
    with writing(store.root):
        if item.what == "step":
            shutil.rmtree(store.folder(item.fingerprint))
        elif item.what == "work":
            shutil.rmtree(store.work(item.fingerprint))
        else:
            for folder in store.root.glob(f"tmp/{item.fingerprint}*"):
                shutil.rmtree(folder)


@contextmanager
def _held(store: Store, fingerprint: str) -> Iterator[bool]:
    """Whether nobody works on a step; nobody can begin to while this holds."""
    with writing(store.root):
        path = store.root / "locks" / fingerprint
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _users(store: Store) -> dict[str, list[str]]:
    """Fingerprint -> folders of the runs that name it."""
    users: dict[str, list[str]] = {}
    for run in _runs(store).values():
        for fingerprint in _named(run):
            users.setdefault(fingerprint, []).append(str(run))
    return users


def _runs(store: Store) -> dict[Path, Path]:
    """File in the store -> folder of a run."""
    return {path: Path(path.read_text(encoding="utf-8")) for path in sorted(store.root.glob("runs/*"))}


def _named(run: Path) -> list[str]:
    try:
        steps = json.loads((run / STATE).read_text(encoding="utf-8"))["steps"]
        return [step["fingerprint"] for step in steps.values()]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            f"{run / STATE} cannot be read, so what that run uses is not known: {error}",
            hint="Repair it or delete that run's folder.",
        ) from error


def _forget_runs(store: Store) -> None:
    for file, run in _runs(store).items():
        if not (run / STATE).exists():
            with writing(store.root):
                file.unlink()


def _problem(store: Store, entry: StoreEntry | StoreError, hashes: bool) -> str | None:
    if isinstance(entry, StoreError):
        return entry.message
    if hashes:
        try:
            store.verify(entry)
        except StoreError as error:
            return error.message
    return None


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
