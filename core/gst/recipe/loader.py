"""YAML for recipes: data only, YAML 1.2 scalars, no duplicate keys, and the line of every value.

Tags are refused, so nothing in a recipe can name an object; files, nesting and aliases have limits, so none can eat the
memory.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import yaml

from gst.errors import Problem, RecipeError
from gst.recipe.nodes import Node
from gst.recipe.scalars import resolve

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
MAX_NODES = 20_000


def read_file(path: Path) -> Node:
    """Parse one file. Raises `RecipeError` with file and line for everything that is wrong with it."""
    name = str(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        _fail(f"cannot be read: {error.strerror or error}", name)
    if len(data) > MAX_BYTES:
        _fail(f"is larger than {MAX_BYTES // 1024} KiB, so it is no recipe", name)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        _fail("is not UTF-8 text", name, data.count(b"\n", 0, error.start) + 1)
    return parse(text, name)


def parse(text: str, file: str) -> Node:
    """Parse one YAML document. Raises `RecipeError`."""
    builder = _Builder(file)
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            builder.feed(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = ", ".join(part for part in (error.context, error.problem) if part)
        _fail(f"is not YAML: {said}{_advice(said)}", file, None if mark is None else mark.line + 1)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        _fail(f"is not YAML: the character {chr(error.character)!r} is not allowed", file, line)
    if builder.root is None:
        _fail("is empty", file)
    return builder.root


@dataclass
class _Open:
    """A list or mapping whose end has not come yet."""

    line: int
    anchor: str | None
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Node] | None = None
    key: tuple[str, int] | None = None


class _Builder:
    """Nodes from YAML events, with a stack of its own: recursion depth is no limit here, `MAX_DEPTH` is."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.root: Node | None = None
        self.stack: list[_Open] = []
        self.anchors: dict[str, tuple[Node, int]] = {}
        self.count = 0
        self.documents = 0

    def feed(self, event: Any) -> None:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                _fail("holds more than one YAML document", self.file, line)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(str(event.anchor), line)
        elif isinstance(event, yaml.ScalarEvent):
            self._refuse_tag(event, line)
            self._close(_Open(line, event.anchor), self._scalar(event, line))
        elif isinstance(event, yaml.CollectionStartEvent):
            self._refuse_tag(event, line)
            if len(self.stack) >= MAX_DEPTH:
                _fail(f"is nested deeper than {MAX_DEPTH} levels", self.file, line)
            is_mapping = isinstance(event, yaml.MappingStartEvent)
            if self.stack and self._wants_key():
                _fail("has a list or a mapping as a key; keys are text", self.file, line)
            self.stack.append(_Open(line, event.anchor, entries={} if is_mapping else None))
        elif isinstance(event, yaml.CollectionEndEvent):
            done = self.stack.pop()
            self._close(done, Node(done.items if done.entries is None else done.entries, self.file, done.line))

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> Node:
        if event.style is not None:
            return Node(event.value, self.file, line)
        try:
            return Node(resolve(event.value), self.file, line)
        except ValueError as error:
            _fail(f"holds {error}", self.file, line)

    def _alias(self, anchor: str, line: int) -> None:
        if anchor not in self.anchors:
            _fail(f"uses *{anchor}, but no value before it is marked &{anchor}", self.file, line)
        node, size = self.anchors[anchor]
        self.count += size - 1
        self._close(_Open(line, None), node)

    def _close(self, done: _Open, node: Node) -> None:
        """Put a finished value where it belongs."""
        self.count += 1
        if self.count > MAX_NODES:
            _fail(f"holds more than {MAX_NODES} values (aliases counted as often as they are used)", self.file)
        if done.anchor is not None:
            self.anchors[done.anchor] = (node, 1 + sum(1 for _ in node.walk()))
        if not self.stack:
            self.root = node
            return
        parent = self.stack[-1]
        if parent.entries is None:
            parent.items.append(node)
        elif parent.key is None:
            if not isinstance(node.value, str):
                _fail(f"has the key {node.plain()!r}, which is not text; put it in quotes", self.file, done.line)
            if node.value in parent.entries:
                first = parent.entries[node.value].line
                _fail(f"has the key '{node.value}' twice (first in line {first})", self.file, done.line)
            parent.key = (node.value, done.line)
        else:
            key, line = parent.key
            parent.entries[key], parent.key = Node(node.value, self.file, line), None

    def _wants_key(self) -> bool:
        parent = self.stack[-1]
        return parent.entries is not None and parent.key is None

    def _refuse_tag(self, event: Any, line: int) -> None:
        if event.tag is not None:
            _fail(f"uses the tag {event.tag}; recipes are plain data without tags", self.file, line)


def _advice(said: str) -> str:
    if "'@'" in said or "'`'" in said:
        return " (put the text in quotes)"
    if "'\\t'" in said:
        return " (indent with spaces, not with tabs)"
    return " (in {...} write references as $name, and put text with { } [ ] , : in quotes)" if "flow" in said else ""


def _fail(message: str, file: str, line: int | None = None) -> NoReturn:
    raise RecipeError([Problem("recipe", message, file, line)])
