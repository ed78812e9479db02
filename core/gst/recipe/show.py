"""A recipe in other words: with all defaults, as a difference, or one value and where it comes from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gst import plugins, schema
from gst.errors import UsageError
from gst.graph import Graph
from gst.options import type_name
from gst.recipe.extends import bases_of, load_tree, merge
from gst.recipe.load import Source, load_recipe
from gst.recipe.loader import read_file
from gst.recipe.locate import find_base, find_recipe
from gst.recipe.nodes import Node, dotted
from gst.recipe.overrides import full_path
from gst.recipe.spec import Recipe, Ref, Spec


def filled(recipe: Recipe) -> dict[str, Any]:
    """The recipe with every default written out."""
    plain: dict[str, Any] = recipe.tree.plain()
    plain["seed"] = recipe.seed
    for section, specs in (("components", recipe.components), ("steps", recipe.steps)):
        plain[section] = {name: _filled(spec) for name, spec in specs.items()}
    return plain


def _filled(value: Any) -> Any:
    if isinstance(value, Spec):
        own = {key: each for key, each in (("seed", value.seed), ("title", value.title)) if each is not None}
        return {"use": value.use, **own, **{name: _filled(option) for name, option in value.options.items()}}
    if isinstance(value, Ref | Path):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _filled(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_filled(item) for item in value]
    return value


@dataclass(frozen=True)
class Change:
    """One value that differs: its path, what it is, what it was, and where it was written."""

    path: str
    value: Any
    before: Any
    place: str


def diff(source: Source, overrides: Iterable[str] = ()) -> list[Change]:
    """What a recipe changes: against its bases where it extends some, else against the defaults of its components."""
    recipe = load_recipe(source, overrides)
    base = _base(recipe)
    changes = []
    for path, node in recipe.tree.walk():
        if isinstance(node.value, dict):
            continue
        if base is not None:
            old = base.at(path)
            if old is None or old.plain() != node.plain():
                changes.append(Change(dotted(path), node.plain(), None if old is None else old.plain(), _place(node)))
        elif path[0] in ("components", "steps") and len(path) == 3:
            option = schema.signature_of(_spec(recipe, path[1]).cls).option(path[2])
            if option is not None and not option.required and _filled(option.default) != node.plain():
                changes.append(Change(dotted(path), node.plain(), _filled(option.default), _place(node)))
    # A list is one value: what is inside it is not listed again.
    return [
        c for c in changes if not any(c.path.startswith(f"{o.path}.") for o in changes if isinstance(o.value, list))
    ]


@dataclass(frozen=True)
class Why:
    """One value and its story.

    Args:
        path: full path.
        value: as it is.
        source: "recipe", "command line" or "default".
        place: file and line where it was written, or "".
        overridden: what other files said, the last first, as (place, value).
        type: of the option, where it is one.
        default: of the option.
        doc: its meaning.
    """

    path: str
    value: Any
    source: str
    place: str
    overridden: tuple[tuple[str, Any], ...] = ()
    type: str = ""
    default: Any = None
    doc: str = ""


def why(source: Source, path: str, overrides: Iterable[str] = ()) -> Why:
    """Where the value at a path (or unique suffix) comes from, and what it means.

    Raises:
        UsageError: the path names nothing, or several things.
    """
    recipe = load_recipe(source, overrides)
    found = full_path(recipe.tree, path)
    if isinstance(found, str):
        raise UsageError(f"'{path}' {found}")
    node = recipe.tree.at(found)
    option = None
    if found[0] in ("components", "steps") and len(found) == 3:
        option = schema.signature_of(_spec(recipe, found[1]).cls).option(found[2])
    if node is None and option is None:
        raise UsageError(f"'{path}' names nothing in this recipe")
    about: dict[str, Any] = {}
    if option is not None:
        default = None if option.required else _filled(option.default)
        about = {"type": type_name(option.annotation), "default": default, "doc": option.doc}
    if node is None:
        return Why(dotted(found), about["default"], "default", "", **about)
    others = [] if recipe.path is None else _said(recipe.path, found)
    place = _place(node)
    overridden = tuple((p, value) for p, value in others if p != place)
    return Why(
        dotted(found), node.plain(), "command line" if place.startswith("-s") else "recipe", place, overridden, **about
    )


def graph_rows(recipe: Recipe) -> list[dict[str, Any]]:
    """The steps in the order they run: name, use, inputs, outputs."""
    graph = Graph(recipe)
    return [
        {
            "step": name,
            "use": recipe.steps[name].use,
            "inputs": list(dict.fromkeys(str(edge.ref) for edge in graph.edges(name))),
            "outputs": [f"${name}.{port}" for port in getattr(recipe.steps[name].cls, "outputs", {})],
            "needs": list(graph.needs(name)),
        }
        for name in graph.order
    ]


def change_rows(changes: Iterable[Change]) -> list[dict[str, Any]]:
    """Changes as JSON."""
    return [asdict(change) for change in changes]


def _spec(recipe: Recipe, name: str) -> Spec:
    return recipe.components.get(name) or recipe.steps[name]


def _place(node: Node) -> str:
    return f"{node.file}:{node.line}" if node.line is not None else (node.file or "")


def _base(recipe: Recipe) -> Node | None:
    """The merged bases of a recipe's file, or None where it extends nothing."""
    if recipe.path is None:
        return None
    merged: Node | None = None
    for path in _bases(recipe.path):
        loaded = load_tree(path, _find)
        merged = loaded if merged is None else merge(merged, loaded)
    return merged


def _said(path: Path, where: tuple[str, ...]) -> list[tuple[str, Any]]:
    """What a file and its bases say at a path, the strongest first."""
    node = read_file(path).at(where)
    said = [] if node is None else [(_place(node), node.plain())]
    for base in reversed(_bases(path)):
        said += _said(base, where)
    return said


def _bases(path: Path) -> list[Path]:
    return [_find(str(name.value), path.parent) for name in bases_of(read_file(path))]


def _find(name: str, folder: Path | None) -> Path:
    return find_base(name, folder, plugins.registry()) if folder else find_recipe(name, plugins.registry())
