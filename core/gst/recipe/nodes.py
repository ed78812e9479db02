"""Values of a recipe with the place they were written at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

Scalar = str | int | float | bool | None
Path = tuple[str, ...]


@dataclass(frozen=True)
class Node:
    """One value.

    Args:
        value: a scalar, a list of nodes, or a mapping of nodes.
        file: the file it was written in, "-s" for the command line, None for a recipe given as a dict.
        line: its 1-based line; for the value of a mapping, the line of its key.
    """

    value: Scalar | list[Node] | dict[str, Node]
    file: str | None = None
    line: int | None = None

    @property
    def mapping(self) -> dict[str, Node]:
        """The value, where it is a mapping; an empty one otherwise."""
        return self.value if isinstance(self.value, dict) else {}

    def plain(self) -> Any:
        """The value without places."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def at(self, path: Path) -> Node | None:
        """The node under `path`, or None."""
        if not path:
            return self
        child = self.children().get(path[0])
        return None if child is None else child.at(path[1:])

    def children(self) -> dict[str, Node]:
        """Name or list index -> node."""
        if isinstance(self.value, dict):
            return self.value
        if isinstance(self.value, list):
            return {str(i): node for i, node in enumerate(self.value)}
        return {}

    def walk(self, prefix: Path = ()) -> Iterator[tuple[Path, Node]]:
        """All nodes below this one with their paths, parents first."""
        for name, node in self.children().items():
            yield (*prefix, name), node
            yield from node.walk((*prefix, name))

    def put(self, path: Path, node: Node) -> Node:
        """A copy in which `node` stands at `path`; all but the last part of the path must be there."""
        if not path:
            return node
        head, rest = path[0], path[1:]
        if isinstance(self.value, list):
            items = list(self.value)
            items[int(head)] = items[int(head)].put(rest, node)
            return replace(self, value=items)
        return replace(self, value={**self.mapping, head: self.mapping[head].put(rest, node) if rest else node})


def from_plain(value: Any, file: str | None = None, line: int | None = None) -> Node:
    """Nodes for plain values, such as a recipe given as a dict. Raises `TypeError` for what YAML could not say."""
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"the key {key!r} is not text")
        return Node({key: from_plain(item, file, line) for key, item in value.items()}, file, line)
    if isinstance(value, list | tuple):
        return Node([from_plain(item, file, line) for item in value], file, line)
    if value is None or isinstance(value, str | int | float | bool):
        return Node(value, file, line)
    raise TypeError(f"{value!r} ({type(value).__name__}) is nothing a recipe can hold")


def dotted(path: Path) -> str:
    """`("components", "prior", "dim")` as people write it."""
    return ".".join(path)
