"""Files: hashes, bringing them to the disk, and what to say when the disk refuses."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gst.errors import StoreError

_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Turns what the disk refuses into a `StoreError` that says what to do."""
    try:
        with disk_full(place):
            yield
    except OSError as error:
        raise StoreError(
            f"{error.filename or place} cannot be written: {error.strerror or error}",
            hint="Check the rights of that place; GST_STORE chooses another place for the store.",
        ) from error


@contextmanager
def disk_full(place: Path) -> Iterator[None]:
    """Turns a full disk into a `StoreError`; other errors pass."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise StoreError(
            f"the disk is full: {error.filename or place} cannot be written",
            hint="Make room (gst store du, gst store gc) and run the same command again; finished steps are kept.",
        ) from error


def sha256(path: Path) -> str:
    """sha256 (hex) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Bring a file or a folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_folder(folder: Path) -> None:
    """Delete a folder with all that is in it, if it is there."""
    if folder.exists():
        shutil.rmtree(folder)
