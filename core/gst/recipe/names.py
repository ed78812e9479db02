"""The names of a recipe, and the classes they stand for."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gst.component import Component
from gst.errors import Problem
from gst.recipe.nodes import Node
from gst.recipe.uses import find_use
from gst.registry import KIND_NAMES, Entry, Registry

COMPONENT_KINDS = tuple(kind for kind in KIND_NAMES if kind != "step")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_PART = re.compile(r"[^.\[\]]+")


class Names:
    """Names of components and steps, and what the `use` at each place stands for.

    Attributes:
        problems: everything that is wrong, also what others report.
        nodes: name -> ("components" or "steps", what was written).
        found: path -> entry and class; for inline components too.
    """

    def __init__(self, tree: Node, registry: Registry) -> None:
        self.tree, self.registry = tree, registry
        self.problems: list[Problem] = []
        self.nodes: dict[str, tuple[str, Node]] = {}
        self.found: dict[str, tuple[Entry, type[Component]]] = {}
        self._section("components", COMPONENT_KINDS)
        self._section("steps", ("step",))

    def class_of(self, name: str) -> type[Component] | None:
        """The class that a name stands for, None where that is not known (and reported)."""
        found = self.found.get(f"{self.nodes[name][0]}.{name}")
        return None if found is None else found[1]

    def use(self, where: str, node: Node, kinds: Sequence[str]) -> tuple[Entry, type[Component]] | None:
        """Find and load what `use` stands for, once a place."""
        if where in self.found:
            return self.found[where]
        use = node.mapping.get("use")
        if not isinstance(node.value, dict) or use is None:
            self.report(where, "has no `use`: say which component it is, such as {use: vqgan}")
            return None
        if not isinstance(use.value, str):
            self.report(f"{where}.use", f"is the name of a component, not {use.plain()!r}")
            return None
        entry = find_use(use.value, kinds, self.registry)
        if isinstance(entry, str):
            self.report(f"{where}.use", entry)
            return None
        self.found[where] = (entry, entry.load())
        return self.found[where]

    def report(self, where: str, message: str) -> None:
        """Note a problem at a path; its place is that of the nearest value that was written."""
        node = self.tree
        for part in _PART.findall(where):
            below = node.children().get(part)
            if below is None:
                break
            node = below
        self.problems.append(Problem(where, message, node.file, node.line))

    def _section(self, section: str, kinds: tuple[str, ...]) -> None:
        node = self.tree.mapping.get(section)
        if node is None:
            return
        if not isinstance(node.value, dict):
            self.report(section, "is a mapping of names to {use: ..., options}")
            return
        for name, each in node.value.items():
            where = f"{section}.{name}"
            if each.value is None:
                continue  # taken out of a base
            if not _NAME.fullmatch(name):
                self.report(where, "is no name: letters, digits, _ and -, beginning with a letter")
            elif name in self.nodes:
                self.report(where, f"is a component too; a name stands for one thing, and ${name} could be both")
            else:
                self.nodes[name] = (section, each)
                self.use(where, each, kinds)
