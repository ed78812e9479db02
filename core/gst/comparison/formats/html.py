"""One page that needs nothing else, in the style of a run's report."""

from __future__ import annotations

from importlib.resources import files
from itertools import pairwise
from typing import Any

from gst.comparison.formats.grid import Grid, grids
from gst.comparison.table import Comparison
from gst.report.bars import numbers
from gst.report.html import Html, tag
from gst.report.sections import section


def render(comparison: Comparison) -> str:
    """A complete HTML document without any address in it but those of published sources, as text."""
    style = files("gst.report").joinpath("style.css").read_text(encoding="utf-8")
    title = f"{len(comparison.rows)} runs side by side" if len(comparison.rows) > 1 else comparison.rows[0].label
    main, *others = grids(comparison)
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", f"{title} · gst"),
        tag("style", Html(style)),
    )
    body = tag(
        "body",
        tag("header", tag("div", tag("p", "A comparison by gst", class_="kicker"), tag("h1", title))),
        tag(
            "main",
            _section(main),
            section(
                "Numbers", "Open a line to see how it was measured.", tag("div", _bars(comparison), class_="metrics")
            ),
            *map(_section, others),
        ),
        tag("footer", tag("div", "Written by gst.")),
    )
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def _section(grid: Grid) -> Html:
    head = tag("tr", *(tag("th", text) for text in grid.head))
    rows = [
        tag(
            "tr",
            *(
                tag("th" if j < grid.words else "td", tag("b", cell) if (i, j) in grid.bold else cell)
                for j, cell in enumerate(row)
            ),
        )
        for i, row in enumerate(grid.body)
    ]
    parts = [tag("thead", head), *(tag("tbody", *part) for part in _parts(rows, grid.rules))]
    table = tag("div", tag("table", *parts), class_="wide")
    lines = [tag("p", line, class_="faint") for line in grid.lines]
    return section(grid.title, None, tag("div", table, class_="metric card"), tag("p"), *lines)


def _parts(rows: list[Html], rules: tuple[int, ...]) -> list[list[Html]]:
    return [rows[start:stop] for start, stop in pairwise([0, *rules, len(rows)])]


def _bars(comparison: Comparison) -> Html:
    """Every number on a scale from its floor to its ceiling, as in the report."""
    rows: list[dict[str, Any]] = []
    for column in comparison.columns:
        for row in comparison.rows:
            if (cell := row.cells.get(column.name)) is not None:
                label = row.label + (" †" if row.oracle else "")
                shown = {**vars(cell), "direction": column.direction, "signature": dict(column.how)}
                rows.append({"metric": column.name, "of": label, **shown})
    return numbers(rows)
