"""lock.json: everything besides the recipe that decides what a run gives."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from gst import __version__, plugins
from gst.fingerprint import CORE_FORMAT
from gst.recipe.spec import Recipe
from gst.runtime import Runtime
from gst.store import FORMAT as STORE_FORMAT

FORMAT = 1
_PACKAGES = ("torch", "numpy", "safetensors", "tokenizers", "timm", "transformers", "diffusers", "pillow")


def lock(recipe: Recipe, runtime: Runtime, fingerprints: Mapping[str, str], data: Mapping[str, str]) -> dict[str, Any]:
    """Versions, machine, seeds and fingerprints of a run.

    Args:
        recipe: what runs.
        runtime: on what.
        fingerprints: of all steps.
        data: of all splits and data sets, by reference.
    """
    return {
        "format": FORMAT,
        "gst": __version__,
        "formats": {"core": CORE_FORMAT, "store": STORE_FORMAT},
        "plugins": {
            plugin.dist: {"version": plugin.version, "origin": plugin.origin}
            for plugin in plugins.registry().plugins
            if plugin.cause is None
        },
        "packages": {name: found for name in _PACKAGES if (found := _version(name)) is not None},
        "runtime": runtime.describe(),
        "seeds": {name: recipe.seed if s.seed is None else s.seed for name, s in recipe.steps.items()},
        "fingerprints": dict(fingerprints),
        "data": dict(data),
        "recipe": None if recipe.path is None else str(recipe.path),
        "commit": None if recipe.path is None else _commit(recipe.path),
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _commit(path: Path) -> str | None:
    """The git commit of the folder that the recipe is in, marked where it has changes; None outside git."""
    command = ["git", "-C", str(path.resolve().parent), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        done = subprocess.run([*command, "--exclude=*"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
