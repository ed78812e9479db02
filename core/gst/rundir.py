"""The folder of one run: the resolved recipe, what was done, where the outputs are, and the numbers.

recipe.yaml     the recipe as it ran: bases, overrides and the smoke section merged in
run.json        state, steps, fingerprints, store
lock.json       versions, machine, hashes
outputs.json    "step.port" -> its folder in the store
metrics.json    the rows of all tables
metrics.jsonl   scalars and pictures as they were logged
index.html      the report, where the recipe has one
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gst.disk import writing
from gst.errors import DataError, UsageError
from gst.fingerprint import digest
from gst.recipe.spec import Recipe

STATE = "run.json"


@dataclass(frozen=True)
class RunDir:
    """A run's folder."""

    path: Path

    def read(self, name: str) -> Any:
        """A JSON file of the folder, or an empty dict where there is none."""
        try:
            return json.loads((self.path / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise DataError(f"{self.path / name} cannot be read: {error}") from error

    def write(self, name: str, data: Any) -> None:
        """Write a JSON file in one go."""
        self.write_text(name, json.dumps(data, indent=1, default=str))

    def write_text(self, name: str, text: str) -> None:
        """Write a file in one go. Raises `StoreError` where the disk refuses it."""
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            partial = self.path / f".{name}.tmp-{os.getpid()}"
            partial.write_text(text, encoding="utf-8")
            os.replace(partial, self.path / name)

    @contextmanager
    def lock(self, on_wait: Callable[[str], None]) -> Iterator[None]:
        """Hold the folder; a second run in it waits."""
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            file = (self.path / ".lock").open("a", encoding="utf-8")
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                on_wait(str(self.path))
                fcntl.flock(file, fcntl.LOCK_EX)
            yield


def recipe_hash(recipe: Recipe) -> str:
    """Hash of everything that a recipe says."""
    return digest(recipe.tree.plain())


def choose(recipe: Recipe, out: Path | None, root: Path = Path("runs")) -> RunDir:
    """The folder for a run: `out`, or the one below `root` that this very recipe ran in before, or a new one.

    Raises:
        UsageError: `out` holds something else than a run.
    """
    if out is not None:
        if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / STATE).exists())):
            raise UsageError(f"{out} is there and is no run", hint="Give --out a new folder, or that of a run.")
        return RunDir(out)
    wanted, base = recipe_hash(recipe), recipe.name + ("-smoke" if recipe.smoke else "")
    number = 1
    while True:
        found = RunDir(root / (base if number == 1 else f"{base}-{number}"))
        if not found.path.exists() or found.read(STATE).get("recipe_hash") == wanted:
            return found
        number += 1


def claim(recipe: Recipe, folder: RunDir) -> RunDir:
    """Make the folder that `choose` chose, and mark it as this recipe's.

    Between choosing and now another run may have taken it; then the next free one, so that no run writes over another.
    """
    wanted = recipe_hash(recipe)
    with writing(folder.path), suppress(FileExistsError):
        folder.path.mkdir(parents=True)
        folder.write(STATE, {"recipe_hash": wanted})
    if folder.read(STATE).get("recipe_hash") == wanted:
        return folder
    return claim(recipe, choose(recipe, None, folder.path.parent))


def resolved_yaml(recipe: Recipe) -> str:
    """The recipe as it ran, as YAML that gst reads back."""
    plain: Mapping[str, Any] = recipe.tree.plain()
    return dump_yaml(plain)


def dump_yaml(data: Any) -> str:
    """Plain data as YAML, one line for every component and step."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=120, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """Quotes whatever YAML 1.2 would read as something else, and never writes an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    from gst.recipe.scalars import resolve

    try:
        plain = text.isprintable() and resolve(text) == text
    except ValueError:
        plain = False
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


_Dumper.add_representer(str, _text)


def list_runs(root: Path = Path("runs")) -> list[dict[str, Any]]:
    """The runs below `root`, newest first."""
    found = []
    for path in sorted(root.glob(f"*/{STATE}")):
        try:
            state = RunDir(path.parent).read(STATE)
        except DataError:
            continue
        metrics = RunDir(path.parent).read("metrics.json")
        found.append({"dir": str(path.parent), **state, "metrics": metrics})
    return sorted(found, key=lambda run: str(run.get("started", "")), reverse=True)
