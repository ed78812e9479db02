"""Reading a recipe with the bases it extends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from gst.errors import Problem, RecipeError
from gst.recipe.loader import read_file
from gst.recipe.nodes import Node

Find = Callable[[str, Path | None], Path]


def load_tree(path: Path, find: Find) -> Node:
    """The recipe at `path` merged over its bases.

    Args:
        path: a file.
        find: turns a base's name (a path relative to the folder given, or a built-in recipe's name) into a path; raises
            `RecipeError`.

    Raises:
        RecipeError: a file is not readable YAML, a base does not exist, or the bases form a cycle.
    """
    return _load(path, find, [])


def bases_of(tree: Node) -> list[Node]:
    """What `extends` names, in order. Raises `RecipeError` where it is neither a name nor a list of names."""
    node = tree.mapping.get("extends")
    if node is None:
        return []
    names = node.value if isinstance(node.value, list) else [node]
    for name in names:
        if not isinstance(name.value, str):
            problem = Problem("extends", "is the path of a recipe, or a list of paths", name.file, name.line)
            raise RecipeError([problem])
    return names


def merge(base: Node, over: Node) -> Node:
    """`over` laid over `base`: mappings merge key by key, everything else is replaced.

    Keys keep the base's order, new ones follow; a mapping that names all of the base's keys gives their order itself.

    A component that names another `use` replaces the base's component with all its options, which belong to the other
    class.
    """
    if not isinstance(base.value, dict) or not isinstance(over.value, dict) or _other_use(base, over):
        return over
    merged = {} if base.value.keys() <= over.value.keys() else dict(base.value)
    for key, node in over.value.items():
        merged[key] = merge(base.value[key], node) if key in base.value else node
    return replace(over, value=merged)


def _other_use(base: Node, over: Node) -> bool:
    old, new = base.mapping.get("use"), over.mapping.get("use")
    return old is not None and new is not None and old.value != new.value


def _load(path: Path, find: Find, chain: list[Path]) -> Node:
    tree = read_file(path)
    if not isinstance(tree.value, dict):
        raise RecipeError([Problem("recipe", "is not a mapping of gst, components and steps", tree.file, tree.line)])
    chain = [*chain, path.resolve()]
    merged: Node | None = None
    for name in bases_of(tree):
        base = find(str(name.value), path.parent)
        if base.resolve() in chain:
            circle = " -> ".join(p.name for p in [*chain[chain.index(base.resolve()) :], base])
            raise RecipeError([Problem("extends", f"goes in a circle: {circle}", name.file, name.line)])
        loaded = _load(base, find, chain)
        merged = loaded if merged is None else merge(merged, loaded)
    own = replace(tree, value={key: node for key, node in tree.value.items() if key != "extends"})
    return own if merged is None else merge(merged, own)
