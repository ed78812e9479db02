"""LaTeX: table environments with booktabs' rules, the protocol in the caption."""

from __future__ import annotations

from gst.comparison.formats.grid import Grid, grids
from gst.comparison.table import Comparison

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "±": r"$\pm$",
    "†": r"$^\dagger$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "[": "{[}",  # behind \\ a bare bracket would be read as its argument
    "]": "{]}",
}


def render(comparison: Comparison) -> str:
    """All tables; needs the package booktabs, and T1 fonts for quotation marks."""
    return "\n".join(["% \\usepackage{booktabs} \\usepackage[T1]{fontenc}", *map(_table, grids(comparison))])


def escape(text: str) -> str:
    """Text that LaTeX sets as it is, on one line; control characters are left out."""
    shown = "".join(char for char in " ".join(text.split()) if char.isprintable())
    return "".join(_SPECIAL.get(char, char) for char in shown)


def _table(grid: Grid) -> str:
    lines = []
    for i, row in enumerate(grid.body):
        if i in grid.rules:
            lines.append(r"\midrule")
        cells = [rf"\textbf{{{escape(cell)}}}" if (i, j) in grid.bold else escape(cell) for j, cell in enumerate(row)]
        lines.append(f"{' & '.join(cells)} \\\\")
    columns = "l" * grid.words + "r" * (len(grid.head) - grid.words)
    caption = " ".join([f"{grid.title}.", *grid.lines])
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{escape(caption)}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            f"{' & '.join(map(escape, grid.head))} \\\\",
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )
