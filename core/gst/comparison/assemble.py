"""`gst.compare`: from folders of runs to a comparison."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from gst.comparison.columns import choose_metrics, fits, make_columns
from gst.comparison.groups import Group, group, named
from gst.comparison.paired import check_same, mean_over, paired, resamples_of, standard_error
from gst.comparison.protocol import notes, protocol
from gst.comparison.published import published as find_published
from gst.comparison.scores import Scores, read_scores
from gst.comparison.table import Cell, Column, Comparison, Difference, Row
from gst.errors import UsageError
from gst.evaluation.resamples import interval
from gst.naming import suggest

RunPath = str | Path


def compare(
    runs: Sequence[RunPath] | Mapping[str, RunPath | Sequence[RunPath]],
    against: RunPath | None = None,
    *,
    metrics: Sequence[str] = (),
    table: str | None = None,
    also: Sequence[str] = (),
    each: bool = False,
    split_columns: bool = False,
    published: Sequence[str] = (),
) -> Comparison:
    """Set the numbers of runs side by side.

    Runs that differ in their seeds only become one row: mean, standard deviation and number of seeds. A column holds
    numbers that were measured alike; what was measured (model, seed, guidance) may differ.

    Args:
        runs: folders of runs, or label -> folder or folders (one recipe with several seeds).
        against: the baseline: one of the runs, or a label. Differences to it are paired over the same stories.
        metrics: names of numbers, or patterns such as "char-f1/*"; by default all that are no part of another one.
        table: the step whose table is compared; by default the one that scores what each run draws.
        also: other pictures of the tables to show below, such as "retrieval" or "real".
        each: give every run a row of its own.
        split_columns: give numbers that were measured differently columns of their own.
        published: tables of others to show in a block of their own, as in `gst published`.

    Raises:
        UsageError: there is no such run, table, number or baseline; or numbers of one column were not measured alike.
        DataError: a run is damaged, or what should be paired was not scored on the same stories.
        StoreError: resamples are damaged.
    """
    if not runs:
        raise UsageError("there is nothing to compare: give folders of runs", hint="gst runs lists the runs here.")
    tables = [found for what in published for found in find_published(what)]
    groups = _groups(runs, table, each)
    members = [member for one in groups for member in one.members]
    columns = make_columns(members, choose_metrics(members, metrics), split_columns)
    baseline = None if against is None else _find(groups, against)
    rows = _mark_best([_row(one, columns) for one in groups], columns)
    return Comparison(
        columns=tuple(columns),
        rows=tuple(rows),
        ends=tuple(_ends(groups, columns, also)),
        against=None if baseline is None else baseline.label,
        differences=() if baseline is None else tuple(_differences(groups, columns, baseline)),
        protocol=tuple(protocol(groups, columns)),
        notes=tuple(notes(rows, baseline, groups)),
        published=tuple(tables),
    )


def _groups(
    runs: Sequence[RunPath] | Mapping[str, RunPath | Sequence[RunPath]], table: str | None, each: bool
) -> list[Group]:
    if not isinstance(runs, Mapping):
        return group([read_scores(path, table) for path in runs], each)
    groups = []
    for label, paths in runs.items():
        listed = [paths] if isinstance(paths, str | Path) else paths
        groups.append(named(label, [read_scores(path, table) for path in listed]))
    return groups


def _find(groups: Sequence[Group], wanted: RunPath) -> Group:
    for one in groups:
        if one.label == str(wanted):
            return one
    for one in groups:
        if any(member.path.resolve() == Path(wanted).resolve() for member in one.members):
            return one
    labels = [one.label for one in groups]
    raise UsageError(
        f"the baseline '{wanted}' is none of the runs.{suggest(str(wanted), labels)}",
        hint=f"It must be compared too; there are: {', '.join(labels)}.",
    )


def _row(one: Group, columns: Sequence[Column]) -> Row:
    found = {column.name: _cell([m for m in one.members if fits(column, m)], column.metric) for column in columns}
    return Row(
        label=one.label,
        cells={name: cell for name, cell in found.items() if cell is not None},
        runs=tuple(str(member.path) for member in one.members),
        seeds=one.seeds,
        oracle=one.oracle,
        smoke=any(member.smoke for member in one.members),
    )


def _cell(members: Sequence[Scores], metric: str) -> Cell | None:
    rows = [member.rows[metric] for member in members]
    if not rows:
        return None
    values = [float(row["value"]) for row in rows]
    low, high = _spread(members, metric)
    return Cell(
        value=float(np.mean(values)),
        low=low,
        high=high,
        n=len(values),
        sd=float(np.std(values, ddof=1)) if len(values) > 1 else None,
        floor=_mean([row.get("floor") for row in rows]),
        ceiling=_mean([row.get("ceiling") for row in rows]),
    )


def _spread(members: Sequence[Scores], metric: str) -> tuple[float | None, float | None]:
    """The interval over stories: of one run as its table says, of several that of their mean, where it is known."""
    if len(members) == 1:
        row = members[0].rows[metric]
        return row.get("low"), row.get("high")
    kept = resamples_of(members)
    numbers = [each.numbers.get((m.of, metric)) for each, m in zip(kept, members, strict=False)]
    if not kept or any(values is None for values in numbers) or len({each.draws for each in kept}) > 1:
        return None, None
    mean = mean_over([values for values in numbers if values is not None])
    return interval(mean) if np.isfinite(mean).any() else (None, None)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [float(value) for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None


def _mark_best(rows: Sequence[Row], columns: Sequence[Column]) -> list[Row]:
    """Rows with the best cells marked, where two rows or more compete; told the truth, a row does not compete."""
    best: dict[str, float] = {}
    for column in columns:
        values = [row.cells[column.name].value for row in rows if column.name in row.cells and not row.oracle]
        values = [value for value in values if math.isfinite(value)]
        if column.direction is not None and len(values) > 1:
            best[column.name] = max(values) if column.direction == "up" else min(values)

    def marked(row: Row) -> dict[str, Cell]:
        return {
            name: Cell(**{**vars(cell), "best": not row.oracle and best.get(name) == cell.value})
            for name, cell in row.cells.items()
        }

    return [Row(**{**vars(row), "cells": marked(row)}) for row in rows]


def _ends(groups: Sequence[Group], columns: Sequence[Column], also: Sequence[str]) -> list[Row]:
    """Floor, ceiling and other pictures: one row each where all runs have the same, or one for those that do."""
    there = list(dict.fromkeys(of for one in groups for member in one.members for of in member.sources))
    for name in also:
        if name not in there:
            raise UsageError(f"no run scored pictures '{name}'.{suggest(name, there)}", hint=f"They have: {there}.")
    rows = []
    for name in ("floor", "ceiling", *also):
        alike: dict[tuple[tuple[str, float], ...], list[str]] = {}
        for one in groups:
            cells = tuple((c.name, value) for c in columns if (value := _end(one, c, name)) is not None)
            if cells:
                alike.setdefault(cells, []).append(one.label)
        for cells, labels in alike.items():
            label = name if len(alike) == 1 else f"{name} of {', '.join(labels)}"
            rows.append(Row(label, {column: Cell(value) for column, value in cells}))
    return rows


def _end(one: Group, column: Column, name: str) -> float | None:
    members = [member for member in one.members if fits(column, member)]
    if not members:
        return None
    if name in ("floor", "ceiling"):
        return _mean([member.rows[column.metric].get(name) for member in members])
    return _mean([member.sources.get(name, {}).get(column.metric, {}).get("value") for member in members])


def _differences(groups: Sequence[Group], columns: Sequence[Column], baseline: Group) -> list[Difference]:
    theirs = resamples_of(baseline.members)
    found = []
    for one in groups:
        if one is baseline:
            continue
        ours = resamples_of(one.members)
        check_same(one, ours, baseline, theirs)
        for column in columns:
            if not all(fits(column, member) for member in (*one.members, *baseline.members)):
                continue
            values = [[float(m.rows[column.metric]["value"]) for m in side.members] for side in (one, baseline)]
            numbers = [
                [kept.numbers.get((member.of, column.metric)) for kept, member in zip(each, side.members, strict=True)]
                for each, side in ((ours, one), (theirs, baseline))
            ]
            known = [[each for each in side if each is not None] for side in numbers]
            gap = (
                paired(mean_over(known[0]), mean_over(known[1]))
                if [len(side) for side in known] == [len(side) for side in numbers]
                else None
            )
            found.append(
                Difference(
                    row=one.label,
                    column=column.name,
                    value=float(np.mean(values[0]) - np.mean(values[1])),
                    **({} if gap is None else vars(gap)),
                    seed_error=standard_error(values[0], values[1]),
                )
            )
    return found
