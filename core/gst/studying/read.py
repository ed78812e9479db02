"""Reading a study file: every problem in one pass, with file and line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from gst.comparison.published import published
from gst.errors import Problem, RecipeError, UsageError
from gst.naming import suggest
from gst.recipe.header import FORMAT, is_seed
from gst.recipe.loader import read_file
from gst.recipe.nodes import Node, from_plain
from gst.studying.spec import Claim, Pairs, Study, StudyRow, StudyTable, Way

StudySource = str | Path | Mapping[str, Any]

_TOP = ("gst", "title", "description", "defaults", "rows", "tables")
_DEFAULTS = ("recipe", "set", "smoke", "seeds", "seed_path")
_ROW = (*_DEFAULTS, "needs", "note")
_TABLE = ("title", "rows", "against", "metrics", "step", "published", "finding", "claims")
_CLAIM = ("row", "is", "than", "metrics")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]*")


def read_study(source: StudySource) -> Study:
    """Read and check a study; its recipes are not looked at yet.

    Args:
        source: a file, or what it would hold as a dict.

    Raises:
        UsageError: there is no such file.
        RecipeError: with every problem.
    """
    if isinstance(source, Mapping):
        try:
            return _Reader(from_plain(source)).study("study", None)
        except TypeError as error:
            raise RecipeError([Problem("study", str(error))], what="study") from error
    path = Path(source)
    if not path.is_file():
        raise UsageError(f"there is no study {path}", hint="A study is a YAML file; see docs/study.md.")
    return _Reader(read_file(path)).study(path.stem, path)


class _Reader:
    """Notes what is wrong and goes on."""

    def __init__(self, tree: Node) -> None:
        self.tree = tree
        self.problems: list[Problem] = []

    def study(self, name: str, path: Path | None) -> Study:
        top = self.mapping(self.tree, "study", _TOP)
        version = top.get("gst", Node(None, self.tree.file, self.tree.line))
        if version.value != FORMAT or isinstance(version.value, bool):
            self.report(version, "gst", f"is the format of the file and must be {FORMAT}, not {version.plain()!r}")
        defaults = self.mapping(top.get("defaults"), "defaults", _DEFAULTS)
        rows = {
            key: self.row(key, node, defaults) for key, node in self.named(top.get("rows"), "rows", needed=True).items()
        }
        tables = {key: self.table(key, node, rows) for key, node in self.named(top.get("tables"), "tables").items()}
        study = Study(name, path, self.text(top, "title", "") or name, self.text(top, "description", ""), rows, tables)
        if self.problems:
            raise RecipeError(self.problems, what="study")
        return study

    def row(self, name: str, node: Node, defaults: Mapping[str, Node]) -> StudyRow:
        where = f"rows.{name}"
        if not _NAME.fullmatch(name):
            self.report(node, where, "is no name: letters, digits and + . _ -, beginning with a letter or a digit")
        said = self.mapping(node, where, _ROW)
        both = {**{key: value for key, value in defaults.items() if key not in ("set", "smoke")}, **said}
        if "recipe" not in both:
            self.report(node, where, "has no `recipe`: the path of a recipe, or the name of a built-in one")
        return StudyRow(
            name=name,
            recipe=self.text(both, "recipe", where),
            where=both.get("recipe", node),
            set=(*self.pairs(defaults, "set", "defaults"), *self.pairs(said, "set", where)),
            smoke=(*self.pairs(defaults, "smoke", "defaults"), *self.pairs(said, "smoke", where)),
            seeds=self.seeds(both, where),
            seed_path=self.text(both, "seed_path", where) or "seed",
            needs=self.texts(said, "needs", where),
            note=self.text(said, "note", where),
        )

    def table(self, name: str, node: Node, rows: Mapping[str, StudyRow]) -> StudyTable:
        where = f"tables.{name}"
        said = self.mapping(node, where, _TABLE)
        shown = self.texts(said, "rows", where)
        if not shown:
            self.report(said.get("rows", node), where, "has no `rows`: names of the rows that it shows")
        against = self.text(said, "against", where) or None
        for key, named in (("rows", shown), ("against", [against] if against else [])):
            for each in named:
                self.known(each, list(rows), said[key], f"{where}.{key}", "rows")
        for each in {each for each in shown if shown.count(each) > 1}:
            self.report(said["rows"], f"{where}.rows", f"has '{each}' twice")
        others = self.texts(said, "published", where)
        for each in others:
            try:
                published(each)
            except UsageError as error:
                self.report(said["published"], f"{where}.published", error.message)
        shown = (*shown, *([against] if against and against not in shown else []))
        return StudyTable(
            name=name,
            title=self.text(said, "title", where) or name,
            rows=shown,
            against=against,
            metrics=self.texts(said, "metrics", where),
            step=self.text(said, "step", where) or None,
            published=others,
            finding=self.text(said, "finding", where),
            claims=self.claims(said.get("claims"), where, shown, against),
        )

    def claims(self, node: Node | None, table: str, rows: Sequence[str], against: str | None) -> tuple[Claim, ...]:
        if node is None:
            return ()
        if not isinstance(node.value, list):
            self.report(node, f"{table}.claims", "is a list such as [{row: new, is: better, than: old}]")
            return ()
        found = []
        for number, each in enumerate(node.value):
            where = f"{table}.claims[{number}]"
            said = self.mapping(each, where, _CLAIM)
            way, row = self.text(said, "is", where), self.text(said, "row", where)
            than = self.text(said, "than", where) or against
            if way not in ("better", "worse"):
                self.report(said.get("is", each), where, "needs `is: better` or `is: worse`")
            if than is None:
                self.report(each, where, "needs `than`, since the table has no `against`")
            for key, named in (("row", row), ("than", than)):
                if named is not None:
                    self.known(named, rows, said.get(key, each), f"{where}.{key}", f"{table}.rows")
            found.append(Claim(row, cast(Way, way), than or "", self.texts(said, "metrics", where)))
        return tuple(found)

    def known(self, name: str, names: Sequence[str], node: Node, where: str, there: str) -> None:
        if name not in names:
            self.report(node, where, f"'{name}' is none of {there}.{suggest(name, names)}")

    def named(self, node: Node | None, where: str, needed: bool = False) -> dict[str, Node]:
        """A mapping of names to anything."""
        if node is None or node.value is None:
            if needed:
                self.report(node or self.tree, where, "is missing: a mapping of names to {recipe: ..., set: {...}}")
            return {}
        if not isinstance(node.value, dict) or not node.value:
            self.report(node, where, "is a mapping of names to {...}, with one at least")
        return node.mapping

    def mapping(self, node: Node | None, where: str, keys: Sequence[str]) -> dict[str, Node]:
        """A mapping with these keys only."""
        if node is None:
            return {}
        if not isinstance(node.value, dict):
            self.report(node, where, f"is a mapping of {', '.join(keys)}, not {node.plain()!r}")
        for key, below in node.mapping.items():
            if key not in keys:
                self.report(below, where, f"knows no '{key}'.{suggest(key, keys)} It takes {', '.join(keys)}.")
        return {key: below for key, below in node.mapping.items() if key in keys}

    def pairs(self, said: Mapping[str, Node], key: str, where: str) -> Pairs:
        node = said.get(key)
        if node is not None and not isinstance(node.value, dict):
            self.report(node, f"{where}.{key}", "is a mapping of paths, as after -s, to values")
        return () if node is None else tuple(node.mapping.items())

    def seeds(self, said: Mapping[str, Node], where: str) -> tuple[int, ...]:
        node = said.get("seeds", Node([Node(0)]))
        seeds = node.plain()
        if not isinstance(seeds, list) or not seeds or not all(map(is_seed, seeds)) or len(set(seeds)) < len(seeds):
            self.report(node, f"{where}.seeds", f"is a list of different whole numbers from 0, not {seeds!r}")
            return (0,)
        return tuple(seeds)

    def text(self, said: Mapping[str, Node], key: str, where: str) -> str:
        node = said.get(key)
        if node is not None and not isinstance(node.value, str):
            self.report(node, f"{where}.{key}".lstrip("."), f"is text, not {node.plain()!r}; put it in quotes")
        return node.value if node is not None and isinstance(node.value, str) else ""

    def texts(self, said: Mapping[str, Node], key: str, where: str) -> tuple[str, ...]:
        node = said.get(key)
        values = [] if node is None else node.plain()
        if node is not None and (not isinstance(values, list) or not all(isinstance(each, str) for each in values)):
            self.report(node, f"{where}.{key}", f"is a list of texts, not {values!r}")
            return ()
        return tuple(values)

    def report(self, node: Node, where: str, message: str) -> None:
        self.problems.append(Problem(where, message, node.file, node.line))
