"""What a study file says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gst.recipe.nodes import Node

Way = Literal["better", "worse"]
Pairs = tuple[tuple[str, Node], ...]


@dataclass(frozen=True)
class StudyRow:
    """One recipe with one or more seeds.

    Args:
        name: of the row; its runs lie in NAME-sSEED.
        recipe: the path of a recipe, or the name of a built-in one.
        where: where the study says so.
        set: path -> value, over the recipe; the study's defaults come first.
        smoke: the same, over the recipe's own smoke section.
        seeds: one run for each.
        seed_path: what they are the seed of, such as "train.seed".
        needs: paths that the command line must set; without them the row is skipped.
        note: what else must be known.
    """

    name: str
    recipe: str
    where: Node
    set: Pairs
    smoke: Pairs
    seeds: tuple[int, ...]
    seed_path: str
    needs: tuple[str, ...]
    note: str

    def folders(self) -> tuple[str, ...]:
        """Names of its runs."""
        return tuple(f"{self.name}-s{seed}" for seed in self.seeds)


@dataclass(frozen=True)
class Claim:
    """ "`row` is better than `than`", in each of some numbers.

    Args:
        row: of whom it is said.
        way: what is said.
        than: compared with this row.
        metrics: numbers, or patterns of them; empty: all of the table.
    """

    row: str
    way: Way
    than: str
    metrics: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.row} {self.way} than {self.than}"


@dataclass(frozen=True)
class StudyTable:
    """Rows side by side.

    Args:
        name: of the table.
        title: its heading.
        rows: names.
        against: the baseline, or None.
        metrics: numbers to show, or patterns of them; empty: all that are no part of another one.
        step: the step whose table is compared, or None: the one that scores what each run draws.
        published: tables of others to show below.
        finding: what is to be tested, in words.
        claims: the same, row by row.
    """

    name: str
    title: str
    rows: tuple[str, ...]
    against: str | None
    metrics: tuple[str, ...]
    step: str | None
    published: tuple[str, ...]
    finding: str
    claims: tuple[Claim, ...]

    def asked(self) -> tuple[str, ...]:
        """All rows that it needs."""
        return tuple(dict.fromkeys([*self.rows, *([] if self.against is None else [self.against])]))


@dataclass(frozen=True)
class Study:
    """A study.

    Args:
        name: the file's.
        path: the file, or None.
        title: its heading.
        description: what it is about.
        rows: by name, in the order in which they run.
        tables: by name.
    """

    name: str
    path: Path | None
    title: str
    description: str
    rows: Mapping[str, StudyRow]
    tables: Mapping[str, StudyTable]
