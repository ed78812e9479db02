"""Plain text: aligned tables, the best of a column with a star."""

from __future__ import annotations

from gst.comparison.formats.grid import Grid, grids
from gst.comparison.table import Comparison
from gst.plain_table import plain_table


def render(comparison: Comparison) -> str:
    """All tables, one below the other, each with its sentences."""
    return "\n".join(grid_text(grid) for grid in grids(comparison))


def grid_text(grid: Grid) -> str:
    """One table."""
    right = range(grid.words, len(grid.head))
    lines = plain_table(grid.head, starred(grid), right)
    return "\n".join([grid.title, "", *lines, *(["", *grid.lines] if grid.lines else []), ""])


def starred(grid: Grid) -> list[list[str]]:
    """Cells, those that stand out with a star behind them."""
    return [
        [f"{cell}*" if (i, j) in grid.bold else cell for j, cell in enumerate(row)] for i, row in enumerate(grid.body)
    ]
