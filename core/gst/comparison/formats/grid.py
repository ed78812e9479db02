"""The tables that every format shows, as text cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gst.comparison.published import CONFIDENCE, DIFFERS, PublishedTable
from gst.comparison.table import Cell, Column, Comparison, Difference

ARROWS = {"up": " ↑", "down": " ↓", None: ""}


@dataclass(frozen=True)
class Grid:
    """One table.

    Args:
        title: what it shows.
        head: headings.
        body: cells, row by row.
        words: how many columns at the left hold words; the others hold numbers.
        rules: a rule goes before these rows.
        bold: (row, column) of cells that stand out.
        lines: sentences that belong to it.
    """

    title: str
    head: tuple[str, ...]
    body: tuple[tuple[str, ...], ...]
    words: int = 1
    rules: tuple[int, ...] = ()
    bold: frozenset[tuple[int, int]] = frozenset()
    lines: tuple[str, ...] = ()


def grids(comparison: Comparison) -> list[Grid]:
    """The runs, the differences, and a table for each of others."""
    found = [_main(comparison)]
    if comparison.against is not None and comparison.differences:
        found.append(_differences(comparison, comparison.against))
    return [*found, *(of_published(table, first=i == 0) for i, table in enumerate(comparison.published))]


def of_published(table: PublishedTable, first: bool = True) -> Grid:
    """A table of others; the first of several says that protocols differ."""
    metrics = [name for name in table.metrics if any(name in row.values for row in table.rows)]
    params = any(row.params is not None for row in table.rows)
    digits = {name: max(_printed(row.values[name]) for row in table.rows if name in row.values) for name in metrics}
    body = tuple(
        (
            row.model + (f" ({row.note})" if row.note else ""),
            *(["" if row.params is None else f"{row.params:g} M"] if params else []),
            *(f"{row.values[name]:.{digits[name]}f}" if name in row.values else "" for name in metrics),
        )
        for row in table.rows
    )
    known = "; ".join(f"{key}: {value}" for key, value in table.protocol.items())
    lines = (
        *([DIFFERS] if first else []),
        f"{table.source}, {table.where}; {CONFIDENCE[table.confidence]}.",
        f"Protocol, as far as known: split {table.split}; {known}.",
    )
    head = ("model", *(["parameters"] if params else []), *(name + ARROWS[table.metrics[name]] for name in metrics))
    return Grid(f"Published: {table.place} ({table.id})", head, body, lines=lines)


def _main(comparison: Comparison) -> Grid:
    rows, columns = [*comparison.rows, *comparison.ends], comparison.columns
    digits = {
        column.name: decimals([row.cells[column.name].value for row in rows if column.name in row.cells])
        for column in columns
    }
    body = tuple(
        (
            row.label + (" †" if row.oracle else ""),
            ", ".join(row.seeds),
            *(cell_text(row.cells.get(column.name), digits[column.name]) for column in columns),
        )
        for row in rows
    )
    bold = frozenset(
        (i, j)
        for i, row in enumerate(comparison.rows)
        for j, column in enumerate(columns, 2)
        if column.name in row.cells and row.cells[column.name].best
    )
    return Grid(
        "Runs",
        ("run", "seeds", *(_heading(column) for column in columns)),
        body,
        words=2,
        rules=(len(comparison.rows),) if comparison.ends else (),
        bold=bold,
        lines=(*comparison.protocol, *comparison.notes),
    )


def _differences(comparison: Comparison, against: str) -> Grid:
    columns = [c for c in comparison.columns if any(d.column == c.name for d in comparison.differences)]
    found = {(gap.row, gap.column): gap for gap in comparison.differences}
    labels = list(dict.fromkeys(gap.row for gap in comparison.differences))
    body = tuple((label, *(_gap_text(found.get((label, column.name))) for column in columns)) for label in labels)
    return Grid(f"Difference to {against}", ("run", *(_heading(column) for column in columns)), body)


def decimals(values: Sequence[float]) -> int:
    """Decimals for a column: two from 1 on, as the field prints them, three below."""
    return 2 if max((abs(value) for value in values), default=0.0) >= 1 else 3


def cell_text(cell: Cell | None, digits: int) -> str:
    """ "88.64 [88.11, 89.12]", or "88.64 ± 0.31 [88.11, 89.12]" over several seeds."""
    if cell is None:
        return ""
    spread = "" if cell.sd is None else f" ± {cell.sd:.{digits}f}"
    ends = "" if cell.low is None or cell.high is None else f" [{cell.low:.{digits}f}, {cell.high:.{digits}f}]"
    return f"{cell.value:.{digits}f}{spread}{ends}"


def _gap_text(gap: Difference | None) -> str:
    """ "+1.23 [0.40, 2.10] p 0.004", with the standard error over seeds where there is one."""
    if gap is None:
        return ""
    digits = decimals([gap.value, gap.low or 0.0, gap.high or 0.0])
    ends = "" if gap.low is None or gap.high is None else f" [{gap.low:+.{digits}f}, {gap.high:+.{digits}f}]"
    chance = "" if gap.p is None else f" p {gap.p:.2g}"
    seeds = "" if gap.seed_error is None else f" se {gap.seed_error:.{digits}f}"
    return f"{gap.value:+.{digits}f}{ends}{chance}{seeds}"


def _printed(value: float) -> int:
    """Decimals that a number was printed with, trailing zeros aside."""
    return len(f"{value:g}".partition(".")[2])


def _heading(column: Column) -> str:
    return column.name + ARROWS[column.direction]
