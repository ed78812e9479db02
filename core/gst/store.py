"""Finished steps by fingerprint, on disk.

Layout: `objects/ab/abcd.../{entry.json, <port>/..., MANIFEST.json}`, one folder a step. A folder is written under a
temporary name, its manifest (size and sha256 of every file) last, brought to disk, and renamed; so what stands under a
fingerprint is complete. Sizes are checked whenever an entry is looked up, hashes before anything is read from it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gst.artifacts import Artifact
from gst.component import Component
from gst.disk import remove_folder, sha256, sync, writing
from gst.errors import CheckpointError, StoreError
from gst.saving import load_component, save_component

FORMAT = 1
MANIFEST = "MANIFEST.json"
_verified: set[tuple[str, int, int, int]] = set()


@dataclass(frozen=True)
class StoreEntry:
    """A finished step.

    Args:
        fingerprint: its key.
        folder: where it is.
        info: what was written about it: step, use, seconds, ports, when, versions.
        files: relative path -> {"size", "sha256"}.
    """

    fingerprint: str
    folder: Path
    info: Mapping[str, Any]
    files: Mapping[str, Mapping[str, Any]]

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(int(file["size"]) for file in self.files.values())


def default_root() -> Path:
    """$GST_STORE, or `~/.cache/gst/store`."""
    given = os.environ.get("GST_STORE")
    return Path(given) if given else Path.home() / ".cache" / "gst" / "store"


class Store:
    """The store at `root`; made when something is written.

    Args:
        root: its folder; the default is `default_root()`.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = (default_root() if root is None else root).absolute()

    def folder(self, fingerprint: str) -> Path:
        """Where the entry of a fingerprint is, or would be."""
        return self.root / "objects" / fingerprint[:2] / fingerprint

    def work(self, fingerprint: str) -> Path:
        """Scratch folder of a step that is not finished; survives kills."""
        return self.root / "work" / fingerprint

    def find(self, fingerprint: str) -> StoreEntry | None:
        """The entry, or None where there is none.

        Raises:
            StoreError: it is damaged (files missing or of another size, no manifest).
        """
        folder = self.folder(fingerprint)
        if not folder.exists():
            return None
        try:
            manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            files = {str(path): dict(file) for path, file in manifest["files"].items()}
            info = json.loads((folder / "entry.json").read_text(encoding="utf-8"))
            wrong = [path for path, file in files.items() if (folder / path).stat().st_size != file["size"]]
            extra = sorted(set(_files(folder)) - set(files))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise _damaged(folder, _reason(error)) from error
        if wrong or extra:
            raise _damaged(folder, f"{', '.join(wrong)} of another size" if wrong else f"unknown file {extra[0]}")
        if manifest.get("fingerprint") != fingerprint or not isinstance(info, dict):
            raise _damaged(folder, "it belongs to another fingerprint")
        return StoreEntry(fingerprint, folder, info, files)

    def verify(self, entry: StoreEntry, below: tuple[str, ...] = ("",)) -> None:
        """Check the hashes of an entry's files; a file that has not changed since is hashed once a process.

        Args:
            entry: from `find`.
            below: beginnings of the paths to check; by default all.

        Raises:
            StoreError: a file is not what was written.
        """
        for path, file in entry.files.items():
            if not path.startswith(below):
                continue
            full = entry.folder / path
            try:
                stat = full.stat()
                key = (str(full), stat.st_ino, stat.st_size, stat.st_mtime_ns)
                if key not in _verified and sha256(full) != file["sha256"]:
                    raise _damaged(entry.folder, f"{path} is not what was written")
            except OSError as error:
                raise _damaged(entry.folder, _reason(error)) from error
            _verified.add(key)

    def load(self, entry: StoreEntry, port: str, cls: type) -> Any:
        """The artifact of one port.

        Args:
            entry: from `find`.
            port: its name.
            cls: the class that the step declares for it.

        Raises:
            StoreError: the entry is damaged, or there is no such port in it.
        """
        folder = entry.folder / port
        if port not in entry.info.get("ports", {}) or not folder.is_dir():
            raise _damaged(entry.folder, f"it has no port '{port}'")
        self.verify(entry, ("entry.json", f"{port}/"))
        try:
            if issubclass(cls, Component):
                return load_component(folder)
            assert issubclass(cls, Artifact)
            return cls.load(folder)
        except CheckpointError as error:
            raise _damaged(entry.folder, error.message) from error

    def commit(
        self,
        fingerprint: str,
        outputs: Mapping[str, Any],
        info: Mapping[str, Any],
        extra: Mapping[str, Path] | None = None,
    ) -> StoreEntry:
        """Write the outputs of a finished step; the caller holds `lock`. Replaces an entry that is there.

        Args:
            fingerprint: its key.
            outputs: port -> artifact.
            info: what is said about it.
            extra: files to keep beside the ports, by name; those that are not there are left out.

        Raises:
            StoreError: the disk is full, or the store cannot be written.
        """
        folder, temporary = self.folder(fingerprint), self.root / "tmp" / fingerprint
        with writing(self.root):
            remove_folder(temporary)
            temporary.mkdir(parents=True)
            for port, value in outputs.items():
                (temporary / port).mkdir()
                if isinstance(value, Component):
                    save_component(value, temporary / port)
                else:
                    assert isinstance(value, Artifact)
                    value.save(temporary / port)
            for name, source in (extra or {}).items():
                if source.exists():
                    shutil.copyfile(source, temporary / name)
            ports = {port: type(value).__name__ for port, value in outputs.items()}
            text = json.dumps({"format": FORMAT, **info, "ports": ports}, indent=1)
            (temporary / "entry.json").write_text(text, encoding="utf-8")
            files = {}
            for path in _files(temporary):
                full = temporary / path
                files[path] = {"size": full.stat().st_size, "sha256": sha256(full)}
                sync(full)
            manifest = {"format": FORMAT, "fingerprint": fingerprint, "files": files}
            (temporary / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
            for each in (temporary / MANIFEST, *(p for p in temporary.rglob("*") if p.is_dir()), temporary):
                sync(each)
            folder.parent.mkdir(parents=True, exist_ok=True)
            if folder.exists():
                old = self.root / "tmp" / f"{fingerprint}.old"
                remove_folder(old)
                os.rename(folder, old)
                remove_folder(old)
            os.rename(temporary, folder)
            sync(folder.parent)
            remove_folder(self.work(fingerprint))
        entry = self.find(fingerprint)
        assert entry is not None
        return entry

    def remove(self, fingerprint: str) -> None:
        """Delete an entry and its scratch folder; the caller holds `lock`."""
        with writing(self.root):
            for folder in (self.folder(fingerprint), self.work(fingerprint), self.root / "tmp" / fingerprint):
                remove_folder(folder)

    @contextmanager
    def lock(self, fingerprint: str, on_wait: Callable[[str], None] | None = None) -> Iterator[None]:
        """Hold the lock of a fingerprint. `on_wait` is told who has it, if that must be waited for.

        The lock goes away with its process, however that ends.
        """
        with writing(self.root):
            path = self.root / "locks" / fingerprint
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("a+", encoding="utf-8")
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if on_wait is not None:
                    file.seek(0)
                    on_wait(file.read().strip())
                fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            file.truncate()
            file.write(f"process {os.getpid()}")
            file.flush()
            yield

    def register(self, run_dir: Path) -> None:
        """Remember a run's folder: entries that it names are in use."""
        with writing(self.root):
            path = self.root / "runs" / hashlib.sha256(str(run_dir.absolute()).encode()).hexdigest()[:16]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(str(run_dir.absolute()), encoding="utf-8")

    def entries(self) -> Iterator[tuple[str, StoreEntry | StoreError]]:
        """All fingerprints with their entries, or with what is wrong with them."""
        for folder in sorted(self.root.glob("objects/??/*")):
            try:
                entry = self.find(folder.name)
            except StoreError as error:
                yield folder.name, error
            else:
                if entry is not None:
                    yield folder.name, entry


def _damaged(folder: Path, what: str) -> StoreError:
    return StoreError(
        f"the store entry {folder} is damaged: {what}",
        hint="gst store gc --corrupt removes damaged entries; the next run makes them again (or gst run --force STEP).",
    )


def _reason(error: BaseException) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{Path(str(error.filename)).name} is missing"
    return f"its manifest cannot be read ({error})"


def _files(folder: Path) -> list[str]:
    """All files below a folder but the manifest at its top."""
    found = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir())
    return [path for path in found if path != MANIFEST]
