"""A recipe by its path, its name or as a dict, checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gst import plugins
from gst.errors import Problem, RecipeError
from gst.recipe.check import check_cycles, check_meaning
from gst.recipe.extends import load_tree, merge
from gst.recipe.locate import find_base, find_recipe
from gst.recipe.nodes import Node, from_plain
from gst.recipe.overrides import apply, from_command_line, smoke_pairs
from gst.recipe.resolve import Resolver
from gst.recipe.spec import Recipe
from gst.registry import Registry

Source = str | Path | Mapping[str, Any]


def load_recipe(source: Source, overrides: Iterable[str] = (), *, smoke: bool = False) -> Recipe:
    """Read, merge, resolve and check a recipe.

    Args:
        source: a file, the name of a built-in recipe, or what a file would hold as a dict.
        overrides: "PATH=VALUE" as after `-s`; they come after the `smoke` section.
        smoke: whether to lay the `smoke` section over the recipe.

    Raises:
        UsageError: there is no such recipe, or an override is not PATH=VALUE.
        RecipeError: with every problem.
        PluginError: the recipe needs a plugin that is missing or broken.
    """
    tree, name, path = read_tree(source)
    pairs = [*(smoke_pairs(tree) if smoke else []), *from_command_line(overrides)]
    tree, problems = apply(tree, pairs)
    recipe, more = check_tree(tree, name, path, smoke=smoke)
    if problems or more:
        raise RecipeError([*problems, *more])
    return recipe


def check_recipe(source: Source, overrides: Iterable[str] = ()) -> tuple[Recipe, list[Problem]]:
    """The recipe, valid where there are no problems; its `smoke` section is tried out too."""
    tree, name, path = read_tree(source)
    tree, problems = apply(tree, from_command_line(overrides))
    recipe, more = check_tree(tree, name, path, smoke=False)
    problems += more
    small, bad = apply(tree, smoke_pairs(tree))
    problems += bad
    if not problems:
        problems += check_tree(small, name, path, smoke=True)[1]
    return recipe, problems


def read_tree(source: Source) -> tuple[Node, str, Path | None]:
    """What was written, bases merged in; the recipe's name; its file."""
    registry = plugins.registry()

    def find(name: str, folder: Path | None) -> Path:
        return find_base(name, folder, registry)

    if isinstance(source, Mapping):
        try:
            tree = from_plain({key: value for key, value in source.items() if key != "extends"})
        except TypeError as error:
            raise RecipeError([Problem("recipe", str(error))]) from error
        bases = source.get("extends", [])
        for name in [bases] if isinstance(bases, str) else reversed(bases):
            tree = merge(load_tree(find(name, None), find), tree)
        return tree, "recipe", None
    path = find_recipe(str(source), registry)
    return load_tree(path, find), path.stem, path


def check_tree(tree: Node, name: str, path: Path | None, *, smoke: bool) -> tuple[Recipe, list[Problem]]:
    """Resolve a tree and check what it means."""
    registry: Registry = plugins.registry()
    resolver = Resolver(tree, registry)
    recipe = resolver.resolve(name, path, smoke=smoke)
    if check_cycles(recipe, resolver.names.report) and not resolver.problems:
        warnings = check_meaning(recipe, registry, resolver.names.report)
        recipe = replace(recipe, warnings=tuple(warnings))
    return recipe, list(dict.fromkeys(resolver.problems))
