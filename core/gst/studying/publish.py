"""What is finished of a study, as tables: numbers, differences, verdicts, and what the rows took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from gst.comparison.assemble import compare
from gst.comparison.formats.grid import ARROWS, Grid, grids, of_published
from gst.comparison.formats.markdown import escape, grid_markdown
from gst.comparison.published import published
from gst.comparison.table import Column, Comparison, Difference
from gst.errors import GstError
from gst.naming import describe
from gst.studying.cost import Cost, mean_cost
from gst.studying.spec import Claim, Study, StudyTable
from gst.studying.verdict import RULE, Verdict, judge

Gaps = Mapping[tuple[str, str], Difference]


@dataclass(frozen=True)
class Done:
    """A finished run.

    Args:
        row: its row.
        dir: its folder.
        cost: what it took.
    """

    row: str
    dir: Path
    cost: Cost


@dataclass(frozen=True)
class TableResult:
    """One table of a study, as far as it is.

    Args:
        table: what was asked.
        comparison: of the rows that are finished; None where there is none, or they cannot be compared.
        problem: why they cannot, or why they cannot be paired.
        verdicts: claims first, then every other row against the baseline.
        costs: row -> what it took, the mean over its seeds.
        open: row -> what is not finished of it, and why.
    """

    table: StudyTable
    comparison: Comparison | None
    problem: str | None
    verdicts: tuple[Verdict, ...]
    costs: Mapping[str, Cost]
    open: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            **{key: value for key, value in asdict(self.table).items() if key != "rows"},
            "problem": self.problem,
            "comparison": None if self.comparison is None else self.comparison.to_json(),
            "verdicts": [asdict(verdict) for verdict in self.verdicts],
            "costs": {row: asdict(cost) for row, cost in self.costs.items()},
            "open": dict(self.open),
        }


def make_tables(study: Study, done: Sequence[Done], states: Mapping[str, str]) -> list[TableResult]:
    """All tables with what is finished.

    Args:
        study: what was asked.
        done: runs that are finished.
        states: name of a run, or of a row -> why it is not.
    """
    return [_table(study, table, done, states) for table in study.tables.values()]


def to_markdown(study: Study, tables: Sequence[TableResult], headline: str) -> str:
    """The page of a study."""
    parts = [f"# {escape(study.title)}\n", *([f"{escape(study.description)}\n"] if study.description else [])]
    parts += [f"{escape(headline)}\n", f"{escape(RULE)}\n"]
    for found in tables:
        parts.append(f"## {escape(found.table.title)}\n")
        if found.table.finding:
            parts.append(f"To be tested: {escape(found.table.finding)}\n")
        if found.open:
            parts.append(f"Not finished: {escape('; '.join(f'{row} ({why})' for row, why in found.open.items()))}.\n")
        if found.problem is not None:
            parts.append(f"{escape(found.problem)}\n")
        parts += [grid_markdown(grid) for grid in _grids(study, found)]
    return "\n".join(parts)


def _table(study: Study, table: StudyTable, done: Sequence[Done], states: Mapping[str, str]) -> TableResult:
    runs = {row: [each for each in done if each.row == row] for row in table.rows}
    runs = {row: found for row, found in runs.items() if found}
    costs = {row: mean_cost([each.cost for each in found]) for row, found in runs.items()}
    still = {row: why for row in table.rows if (why := _open(study, row, runs.get(row, []), states))}
    if not runs:
        return TableResult(table, None, None, (), costs, still)
    folders = {row: [str(each.dir) for each in found] for row, found in runs.items()}

    @cache
    def against(row: str | None) -> Comparison:
        return compare(folders, row, metrics=table.metrics, table=table.step)

    problem, verdicts = None, []
    try:
        baseline = table.against if table.against in runs else None
        try:
            shown = against(baseline)
            verdicts = _verdicts(table, shown, {row: against(row) for row in _asked(table) if row in runs})
        except GstError as error:
            shown, problem = against(None), f"Differences cannot be told: {error.message}"
    except Exception as error:  # the numbers of other tables, and runs to come, do not depend on it
        said = error.message if isinstance(error, GstError) else describe(error)
        return TableResult(table, None, f"The rows cannot be compared: {said}", (), costs, still)
    return TableResult(table, shown, problem, tuple(verdicts), costs, still)


def _open(study: Study, row: str, found: Sequence[Done], states: Mapping[str, str]) -> str:
    """What is missing of a row, "" where nothing is."""
    if row in states:
        return states[row]
    names = study.rows[row].folders()
    there = {each.dir.name for each in found}
    missing = [f"{name} {states.get(name, 'waiting')}" for name in names if name not in there]
    return "" if not missing else f"{len(there)} of {len(names)} seeds: {', '.join(missing)}"


def _asked(table: StudyTable) -> list[str]:
    """The rows that others are compared with."""
    return list(dict.fromkeys([*(claim.than for claim in table.claims), *([table.against] if table.against else [])]))


def _verdicts(table: StudyTable, shown: Comparison, against: Mapping[str, Comparison]) -> list[Verdict]:
    claims = [(claim, claim.row, claim.than) for claim in table.claims]
    claimed = {(row, than) for _, row, than in claims}
    rest = [row for row in table.rows if row != table.against and (row, table.against) not in claimed]
    asked = [*claims, *((None, row, table.against) for row in rest if table.against is not None)]
    found = []
    for claim, row, than in asked:
        if than not in against:
            continue
        gaps = {(gap.row, gap.column): gap for gap in against[than].differences}
        for column in shown.columns:
            gap = gaps.get((row, column.name))
            if gap is not None and column.direction is not None and _meant(claim, column):
                found.append(judge(gap, than, column.direction, None if claim is None else claim.way))
    return found


def _meant(claim: Claim | None, column: Column) -> bool:
    if claim is None or not claim.metrics:
        return True
    return any(column.metric == pattern or fnmatchcase(column.metric, pattern) for pattern in claim.metrics)


def _grids(study: Study, found: TableResult) -> list[Grid]:
    made = [] if found.comparison is None else grids(found.comparison)
    if found.verdicts and found.comparison is not None:
        made.append(_verdict_grid(found.verdicts, found.comparison.columns))
    if found.costs:
        made.append(_cost_grid(study, found.costs))
    tables = [table for what in found.table.published for table in published(what)]
    return [*made, *(of_published(table, first=i == 0) for i, table in enumerate(tables))]


def _verdict_grid(verdicts: Sequence[Verdict], columns: Sequence[Column]) -> Grid:
    cells = {(v.row, v.than, v.claim, v.column): str(v) for v in verdicts}
    rows = list(dict.fromkeys((v.row, v.than, v.claim) for v in verdicts))
    shown = [column for column in columns if any(v.column == column.name for v in verdicts)]
    body = tuple(
        (
            f"{row} against {than}" if claim is None else f"claimed: {row} {claim} than {than}",
            *(cells.get((row, than, claim, column.name), "") for column in shown),
        )
        for row, than, claim in rows
    )
    return Grid("Verdicts", ("", *(column.name + ARROWS[column.direction] for column in shown)), body)


def _cost_grid(study: Study, costs: Mapping[str, Cost]) -> Grid:
    def minutes(seconds: float | None) -> str:
        return "" if seconds is None else f"{seconds / 60:.1f}"

    body = tuple(
        (
            row,
            minutes(cost.training),
            minutes(cost.drawing),
            "" if cost.parameters is None else f"{cost.parameters / 1e6:.2f} M",
            study.rows[row].note,
        )
        for row, cost in costs.items()
    )
    lines = (
        "Minutes are those of when a step was made, also where another row made it, with whatever ran beside it on the "
        "machine. Training: everything that draws, the tokenizer included; the judge is not in it.",
    )
    head = ("run", "training, minutes", "drawing, minutes", "parameters of the prior", "note")
    return Grid("What it took", head, body, lines=lines)
