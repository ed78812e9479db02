"""A table as aligned plain text."""

from __future__ import annotations

from collections.abc import Sequence


def plain_table(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """One line for the headings and one a row; line breaks in cells become blanks.

    Args:
        columns: headings.
        rows: cells.
        right: indices of columns to align right.
    """
    lines = [[" ".join(cell.split("\n")) for cell in row] for row in [list(columns), *rows]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    return [
        "  ".join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
