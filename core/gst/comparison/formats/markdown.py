"""Markdown with GitHub's tables."""

from __future__ import annotations

import re
from collections.abc import Iterable

from gst.comparison.formats.grid import Grid, grids
from gst.comparison.table import Comparison

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~&])")


def render(comparison: Comparison) -> str:
    """All tables, each below a heading, with its sentences."""
    return "\n".join(grid_markdown(grid) for grid in grids(comparison))


def grid_markdown(grid: Grid) -> str:
    """One table."""
    marks = ["---" if i < grid.words else "---:" for i in range(len(grid.head))]
    body = [
        _line([f"**{escape(cell)}**" if (i, j) in grid.bold else escape(cell) for j, cell in enumerate(row)])
        for i, row in enumerate(grid.body)
    ]
    lines = [f"{escape(line)}\n" for line in grid.lines]
    return "\n".join([f"### {escape(grid.title)}\n", _line(map(escape, grid.head)), _line(marks), *body, "", *lines])


def escape(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
