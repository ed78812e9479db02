"""Single values from the command line (`-s PATH=VALUE`) and from the recipe's own `smoke` section."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from gst.errors import Problem, RecipeError, UsageError
from gst.recipe.loader import parse
from gst.recipe.nodes import Node, Path, dotted
from gst.registry import suggest

SECTIONS = ("components", "steps")
TOP = ("gst", "title", "description", "seed", "runtime", "components", "steps", "smoke", "output")


def from_command_line(texts: Iterable[str]) -> list[tuple[str, Node]]:
    """`["prior.dim=64"]` -> paths and values; values are YAML.

    Raises:
        UsageError: there is no "=".
        RecipeError: the value is not YAML.
    """
    pairs = []
    for text in texts:
        path, equals, value = text.partition("=")
        if not equals or not path.strip():
            raise UsageError(f"-s {text}: this is not PATH=VALUE", hint="Such as -s prior.dim=64 or -s seed=1")
        try:
            node = parse(value, "-s") if value.strip() else Node(None)
        except RecipeError as error:
            problems = [replace(p, where=path.strip(), file=f"-s {text}", line=None) for p in error.problems]
            raise RecipeError(problems) from error
        pairs.append((path.strip(), _placed(node, f"-s {text}")))
    return pairs


def apply(tree: Node, pairs: Iterable[tuple[str, Node]]) -> tuple[Node, list[Problem]]:
    """Set each path to its value; problems where a path names nothing, or more than one thing."""
    problems = []
    for path, node in pairs:
        found = full_path(tree, path)
        if isinstance(found, str):
            problems.append(Problem(path, found, node.file, node.line))
        else:
            if found[0] == "runtime" and len(found) == 2 and not tree.at(("runtime",)):
                tree = tree.put(("runtime",), Node({}, node.file))
            tree = tree.put(found, node)
    return tree, problems


def smoke_pairs(tree: Node) -> list[tuple[str, Node]]:
    """The `smoke` section as pairs, without those that are null: so a recipe takes back what its base has."""
    section = tree.mapping.get("smoke")
    return [] if section is None else [(path, node) for path, node in section.mapping.items() if node.value is not None]


def _placed(node: Node, file: str) -> Node:
    """`node` with `file` as its place everywhere, and no line."""
    if isinstance(node.value, dict):
        return Node({key: _placed(child, file) for key, child in node.value.items()}, file)
    if isinstance(node.value, list):
        return Node([_placed(child, file) for child in node.value], file)
    return Node(node.value, file)


def full_path(tree: Node, text: str) -> Path | str:
    """The full path that a path (`prior.layers[0]`) stands for, or what is wrong with it.

    In this order: a full path; a path from the name of a component or step; a unique suffix. What is not there yet may
    be set where a component, a step or the runtime is there to take it.
    """
    path = tuple(text.replace("[", ".").replace("]", "").split("."))
    names = {name: section for section in SECTIONS for name in _section(tree, section)}
    if path[0] in TOP:
        full = path
    elif path[0] in names:
        full = (names[path[0]], *path)
    else:
        return _by_suffix(tree, path, list(names))
    if tree.at(full) is not None or len(full) == 1:
        return full
    return _new_key(tree, full)


def _by_suffix(tree: Node, path: Path, names: list[str]) -> Path | str:
    everything = [full for full, _ in tree.walk() if full[0] in (*SECTIONS, "runtime")]
    found = [full for full in everything if full[-len(path) :] == path]
    if not found and len(path) > 1:
        parents = [full for full in everything if full[-len(path) + 1 :] == path[:-1]]
        takers = [full for full in parents if "use" in (tree.at(full) or tree).mapping] or parents
        if len(takers) == 1:
            return _new_key(tree, (*takers[0], path[-1]))
        found = [(*full, path[-1]) for full in takers]
    if len(found) == 1:
        return found[0]
    if found:
        return f"is ambiguous: it may be {', '.join(dotted(f) for f in found)}"
    known = sorted({*names, *TOP, *(full[-1] for full in everything)})
    return f"names nothing in this recipe.{suggest(path[0], known)} Components and steps are {', '.join(names)}."


def _new_key(tree: Node, full: Path) -> Path | str:
    parent = tree.at(full[:-1])
    if full[:-1] == ("runtime",) or (parent is not None and "use" in parent.mapping):
        return full
    if parent is None:
        return f"names nothing in this recipe: there is no {dotted(full[:-1])}"
    if isinstance(parent.value, list):
        return f"names nothing in this recipe: {dotted(full[:-1])} has {len(parent.value)} items, counted from 0"
    there = ", ".join(parent.mapping) or f"{parent.plain()!r}"
    return f"names nothing in this recipe.{suggest(full[-1], list(parent.mapping))} {dotted(full[:-1])} has {there}."


def _section(tree: Node, name: str) -> list[str]:
    node = tree.mapping.get(name)
    return [] if node is None else list(node.mapping)
