"""Pre-trained transformers that lie in a folder or on the Hugging Face hub: where they are, and what they are.

Weights are read from safetensors alone, never from pickles, and code that comes with a model is never run.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gst.disk import sha256
from gst.errors import DataError, PluginError

HUB = "hub:"
FILES = (
    "config.json",
    "generation_config.json",
    "*.safetensors",
    "*.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "*.model",
)
"""What a model consists of; whatever else lies in its folder is left alone."""

_hashes: dict[tuple[str, int, int], str] = {}


def find_pretrained(source: str, revision: str | None = None) -> Path:
    """The folder of a model with safetensors weights.

    Args:
        source: a folder, which is never looked for anywhere else; or "hub:NAME", which is taken from the local cache of
            the hub, and downloaded once where it is not there.
        revision: branch, tag or commit on the hub.

    Raises:
        DataError: there is no such folder, it holds no model, or the download failed.
    """
    if source.startswith(HUB):
        folder = _from_hub(source.removeprefix(HUB), revision)
    else:
        folder = Path(source).expanduser()
        if not folder.is_dir():
            raise DataError(
                f"there is no folder {folder} with a pre-trained model",
                hint=f"Give the folder of one, or {HUB}NAME to take it from the Hugging Face hub.",
            )
    if not (folder / "config.json").is_file():
        raise DataError(f"{folder} holds no model of transformers: it has no config.json")
    if not any(folder.glob("*.safetensors")):
        pickles = sorted(p.name for p in (*folder.glob("*.bin"), *folder.glob("*.pt"), *folder.glob("*.h5")))
        raise DataError(
            f"{folder} has no weights as safetensors" + (f", only {', '.join(pickles)}" if pickles else ""),
            hint="Weights are read from safetensors alone: transformers' save_pretrained writes them.",
        )
    return folder


def pretrained_config(folder: Path) -> dict[str, Any]:
    """Its config.json. Raises `DataError` where that cannot be read."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{folder / 'config.json'} cannot be read: {error}") from error
    if not isinstance(config, dict):
        raise DataError(f"{folder / 'config.json'} must hold an object")
    return config


def pretrained_hash(folder: Path) -> str:
    """sha256 (hex) over the names and contents of all its `FILES`, wherever it lies."""
    total = hashlib.sha256()
    for path in _files(folder):
        stat = path.stat()
        key = (str(path.resolve()), stat.st_size, stat.st_mtime_ns)
        if key not in _hashes:
            _hashes[key] = sha256(path)
        total.update(f"{path.name}\0{_hashes[key]}\n".encode())
    return total.hexdigest()


def copy_pretrained(folder: Path, target: Path) -> None:
    """Copy its `FILES` into `target`, which is made."""
    target.mkdir(parents=True)
    for path in _files(folder):
        shutil.copyfile(path, target / path.name)


def hub_revision(folder: Path) -> str | None:
    """The commit of a folder in the hub's cache; None for any other folder."""
    return folder.name if folder.parent.name == "snapshots" else None


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Within it transformers shows no bars and gives no advice."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _files(folder: Path) -> list[Path]:
    return sorted({path for pattern in FILES for path in folder.glob(pattern) if path.is_file()})


def _from_hub(name: str, revision: str | None) -> Path:
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError
    except ImportError as error:
        raise PluginError(f"{HUB}{name} needs huggingface_hub, which is not installed") from error
    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=list(FILES), local_files_only=True))
        if any(folder.glob("*.safetensors")):
            return folder
    except LocalEntryNotFoundError:
        pass
    except ValueError as error:
        raise DataError(f"'{name}' is no name on the hub: {error}") from error
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=list(FILES)))
    except Exception as error:  # of the library, of its HTTP client, of the disk
        raise DataError(
            f"{HUB}{name} cannot be downloaded: {type(error).__name__}: {error}",
            hint="Where there is no network, copy the model's folder here and give its path.",
        ) from error
