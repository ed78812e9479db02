"""Where recipes are: files, and the recipes that core and plugins bring."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gst.errors import Problem, RecipeError, UsageError
from gst.registry import Registry, suggest


@dataclass(frozen=True)
class BuiltIn:
    """A recipe that came with a distribution.

    Args:
        name: its path below the folder of recipes, without ".yaml".
        dist: the distribution.
        path: the file.
    """

    name: str
    dist: str
    path: Path

    @property
    def summary(self) -> str:
        """The first sentence of the comment at its top."""
        with self.path.open(encoding="utf-8") as file:
            first = file.readline()
        return first.lstrip("# ").strip() if first.startswith("#") else ""


def built_in(registry: Registry) -> list[BuiltIn]:
    """All recipes that are registered, core's first."""
    return [
        BuiltIn(path.relative_to(folder.path).with_suffix("").as_posix(), folder.dist, path)
        for folder in registry.recipes
        for path in sorted(folder.path.rglob("*.yaml"))
    ]


def find_recipe(name: str, registry: Registry) -> Path:
    """A file, or a built-in recipe by its name; `recipes/NAME.yaml` is also read as a name.

    Raises:
        UsageError: there is neither.
    """
    path = Path(name)
    if path.is_file():
        return path
    found = _by_name(name, registry)
    if found is not None:
        return found
    known = [recipe.name for recipe in built_in(registry)]
    raise UsageError(
        f"There is no recipe '{name}', neither a file nor a built-in one.{suggest(_bare(name), known)}",
        hint="gst recipes lists the built-in ones.",
    )


def find_base(name: str, folder: Path | None, registry: Registry) -> Path:
    """The base that a recipe in `folder` extends: a path relative to it, or a built-in recipe's name."""
    path = Path(name) if folder is None else folder / name
    if path.is_file():
        return path
    found = _by_name(name, registry)
    if found is not None:
        return found
    known = [recipe.name for recipe in built_in(registry)]
    raise RecipeError(
        [Problem("extends", f"there is no recipe '{name}' (looked for {path}).{suggest(_bare(name), known)}")]
    )


def _bare(name: str) -> str:
    return Path(name).as_posix().removeprefix("recipes/").removesuffix(".yaml")


def _by_name(name: str, registry: Registry) -> Path | None:
    return next((recipe.path for recipe in built_in(registry) if recipe.name == _bare(name)), None)
