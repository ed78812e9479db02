"""A comparison as data: columns, rows, differences, and what must be said about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from gst.comparison.published import PublishedTable
from gst.disk import writing
from gst.errors import StoreError, UsageError

Format = Literal["text", "json", "csv", "latex", "html", "markdown"]
SUFFIXES: dict[str, Format] = {
    ".txt": "text",
    ".json": "json",
    ".csv": "csv",
    ".tex": "latex",
    ".html": "html",
    ".md": "markdown",
}


@dataclass(frozen=True)
class Column:
    """One number, measured in one way.

    Args:
        name: the metric's, with a number behind it where it was measured in several ways.
        metric: the metric's.
        direction: "up" (more is better), "down", or None.
        how: what decides the number besides the pictures, as dotted path -> value.
    """

    name: str
    metric: str
    direction: str | None
    how: Mapping[str, str]


@dataclass(frozen=True)
class Cell:
    """A number.

    Args:
        value: of the run, or the mean over seeds.
        low: lower end of its 95 % bootstrap interval over stories.
        high: upper end.
        n: how many runs (seeds).
        sd: standard deviation over seeds, where there are two or more.
        floor: what a model that ignores the captions would be scored.
        ceiling: what the tokenizer's reconstructions are scored.
        best: whether no other row of the column is better; oracle rows do not take part.
    """

    value: float
    low: float | None = None
    high: float | None = None
    n: int = 1
    sd: float | None = None
    floor: float | None = None
    ceiling: float | None = None
    best: bool = False


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Args:
        label: what it is called.
        cells: column name -> number; without those that were not measured.
        runs: folders of its runs; none for floors, ceilings and the like.
        seeds: of its runs.
        oracle: whether the model was told the characters by the labels, the truth.
        smoke: whether a run is a smoke run, at a tiny size.
    """

    label: str
    cells: Mapping[str, Cell]
    runs: tuple[str, ...] = ()
    seeds: tuple[str, ...] = ()
    oracle: bool = False
    smoke: bool = False


@dataclass(frozen=True)
class Difference:
    """How far a row is from the baseline, on the same stories.

    Args:
        row: label of the row.
        column: name of the column.
        value: the row's number less the baseline's.
        low: lower end of the 95 % paired bootstrap interval; None where the metric has no resamples.
        high: upper end.
        p: two-sided, of the same bootstrap; the spread over seeds is not in it.
        resamples: of the bootstrap.
        seed_error: standard error of the difference over seeds, where both have two seeds or more.
    """

    row: str
    column: str
    value: float
    low: float | None = None
    high: float | None = None
    p: float | None = None
    resamples: int = 0
    seed_error: float | None = None


@dataclass(frozen=True)
class Comparison:
    """Runs side by side.

    Args:
        columns: the numbers.
        rows: the runs.
        ends: floors, ceilings, and other pictures that were scored with them.
        against: label of the baseline, or None.
        differences: of the other rows to it.
        protocol: how everything was measured, as sentences.
        notes: what the marks mean, and what to keep in mind.
        published: tables of others.
    """

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    ends: tuple[Row, ...]
    against: str | None
    differences: tuple[Difference, ...]
    protocol: tuple[str, ...]
    notes: tuple[str, ...]
    published: tuple[PublishedTable, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {**asdict(self), "published": [table.to_json() for table in self.published]}

    def to_text(self) -> str:
        """As aligned plain text."""
        from gst.comparison.formats.text import render

        return render(self)

    def to_markdown(self) -> str:
        """As tables of GitHub's Markdown."""
        from gst.comparison.formats.markdown import render

        return render(self)

    def to_csv(self) -> str:
        """One line for each number, with all that belongs to it."""
        from gst.comparison.formats.csv import render

        return render(self)

    def to_latex(self) -> str:
        """As table environments (booktabs), the protocol in the caption."""
        from gst.comparison.formats.latex import render

        return render(self)

    def to_html(self) -> str:
        """As one page that needs nothing else, in the style of a run's report."""
        from gst.comparison.formats.html import render

        return render(self)

    def render(self, form: Format) -> str:
        """In one of the formats, as text."""
        import json

        forms: dict[Format, Callable[[], str]] = {
            "text": self.to_text,
            "json": lambda: json.dumps(self.to_json(), indent=1, ensure_ascii=False) + "\n",
            "csv": self.to_csv,
            "latex": self.to_latex,
            "html": self.to_html,
            "markdown": self.to_markdown,
        }
        return forms[form]()

    def save(self, path: str | Path, form: Format | None = None) -> None:
        """Write it to a file.

        Args:
            path: the file.
            form: its format; by default what its suffix says (.txt, .json, .csv, .tex, .html, .md).

        Raises:
            UsageError: the suffix says nothing.
            StoreError: it cannot be written.
        """
        path = Path(path)
        text = self.render(form or format_of(path))
        if not path.parent.is_dir():
            raise StoreError(f"{path} cannot be written: there is no folder {path.parent}", hint="Make it first.")
        with writing(path):
            path.write_text(text, encoding="utf-8")


def format_of(path: Path) -> Format:
    """What the suffix of a file says. Raises `UsageError` where it says nothing."""
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(
            f"{path}: '{path.suffix}' tells no format", hint=f"Give --format, or end it in {', '.join(SUFFIXES)}."
        )
    return SUFFIXES[path.suffix.lower()]
