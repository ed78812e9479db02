"""Checkpoint folders: whole or not there at all, checked by hash, and never a pickle.

A folder is written under a temporary name, with its MANIFEST.json (sha256 and size of every file) last, brought to
disk, and then renamed. What is on disk under a checkpoint's name is therefore complete; a folder whose manifest is
missing or does not fit is ignored on resume.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from gst.errors import CheckpointError, StoreError

FORMAT = 1
MANIFEST = "MANIFEST.json"
KEEP = 2


@dataclass
class Checkpoint:
    """What was saved at one training step.

    Args:
        step: how many steps were done.
        tensors: file name without suffix -> tensors by name.
        state: everything that is not a tensor, as JSON.
    """

    step: int
    tensors: dict[str, dict[str, Tensor]]
    state: dict[str, Any]


class Checkpoints:
    """The checkpoints of one training, newest last, in `folder`.

    Args:
        folder: holds `step-00001000/` and so on; made when the first one is written.
        warn: told in one line of every checkpoint that cannot be used.
    """

    def __init__(self, folder: Path, warn: Callable[[str], None]) -> None:
        self.folder, self.warn = folder, warn

    def paths(self) -> list[Path]:
        """All complete or damaged checkpoints, oldest first; temporary folders are not among them."""
        return sorted(p for p in self.folder.glob("step-*") if p.name[5:].isdigit())

    def save(self, checkpoint: Checkpoint) -> Path:
        """Write one, then delete all but the newest two.

        Raises:
            StoreError: it could not be written (such as a full disk). The checkpoints before it are untouched.
        """
        path = self.folder / f"step-{checkpoint.step:08d}"
        partial = self.folder / f"{path.name}.tmp-{os.getpid()}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for leftover in self.folder.glob("step-*.tmp-*"):
                shutil.rmtree(leftover, ignore_errors=True)
            partial.mkdir()
            for name, tensors in checkpoint.tensors.items():
                save_file({k: v.detach().contiguous() for k, v in tensors.items()}, partial / f"{name}.safetensors")
            (partial / "state.json").write_text(json.dumps(checkpoint.state), encoding="utf-8")
            write_manifest(partial, {"step": checkpoint.step})
            shutil.rmtree(path, ignore_errors=True)
            partial.rename(path)
            _sync(self.folder)
        except (OSError, SafetensorError) as error:
            shutil.rmtree(partial, ignore_errors=True)
            raise StoreError(
                f"the checkpoint of step {checkpoint.step} could not be written to {self.folder}: {error}",
                hint=f"{_free(self.folder)} Make room and run again: it goes on from {self._last_words()}.",
            ) from error
        for old in self.paths()[:-KEEP]:
            shutil.rmtree(old, ignore_errors=True)
        return path

    def latest(self) -> Checkpoint | None:
        """The newest one that is whole, or None. Says which ones it had to pass over."""
        for path in reversed(self.paths()):
            try:
                return _read(path)
            except CheckpointError as error:
                self.warn(f"checkpoint {path.name} is not used: {error.message}")
        return None

    def _last_words(self) -> str:
        paths = self.paths()
        return f"step {int(paths[-1].name[5:])}" if paths else "the beginning"


def _read(path: Path) -> Checkpoint:
    manifest = check_manifest(path)
    try:
        state = json.loads((path / "state.json").read_text(encoding="utf-8"))
        tensors = {file.stem: load_file(file) for file in sorted(path.glob("*.safetensors"))}
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(f"it cannot be read: {error}") from error
    return Checkpoint(int(manifest["step"]), tensors, state)


def write_manifest(folder: Path, about: Mapping[str, Any]) -> None:
    """Write sha256 and size of every file under `folder` into its MANIFEST.json, and bring all of it to disk.

    The manifest ends with its own sha256, so that `about` cannot change unnoticed either.
    """
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p != folder / MANIFEST)
    for file in files:
        _sync(file)
    entries = {p.relative_to(folder).as_posix(): {"sha256": sha256(p), "size": p.stat().st_size} for p in files}
    content = {"format": FORMAT, **about, "files": entries}
    text = json.dumps({**content, "sha256": _digest(content)}, indent=1)
    with open(folder / MANIFEST, "w", encoding="utf-8") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    _sync(folder)


def check_manifest(folder: Path) -> dict[str, Any]:
    """Compare `folder` with its MANIFEST.json and return that.

    Raises:
        CheckpointError: a file is missing, cut short, changed or not listed, or the manifest itself is.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        own, version, files = manifest.pop("sha256"), manifest["format"], manifest["files"]
    except FileNotFoundError as error:
        message = f"{folder} has no {MANIFEST}: it was not written to its end, or is no checkpoint"
        raise CheckpointError(message) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{folder / MANIFEST} is damaged: {error!r}") from error
    if version != FORMAT:
        message = f"{folder} has format {version}; this gst reads format {FORMAT}"
        raise CheckpointError(message, hint="It was written by another gst: update gst-story.")
    if own != _digest(manifest):
        raise CheckpointError(f"{folder / MANIFEST} is damaged: it does not have the sha256 it should have")
    there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} - {MANIFEST}
    if there != set(files):
        missing, extra = sorted(set(files) - there), sorted(there - set(files))
        raise CheckpointError(f"{folder}: missing files {missing}, files that do not belong there {extra}")
    for name, entry in files.items():
        size = (folder / name).stat().st_size
        if size != entry["size"]:
            raise CheckpointError(f"{folder / name} has {size} bytes and should have {entry['size']}: it is truncated")
        if sha256(folder / name) != entry["sha256"]:
            raise CheckpointError(f"{folder / name} has another sha256 than in its manifest: it was changed")
    return manifest


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def sha256(path: Path) -> str:
    """sha256 of a file, in hex."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _free(folder: Path) -> str:
    there = next(p for p in (folder, *folder.parents) if p.exists())
    return f"{shutil.disk_usage(there).free / 2**20:,.0f} MiB are free there."
