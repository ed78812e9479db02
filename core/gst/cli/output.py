"""What commands share: results go to stdout, everything else to stderr; tables, JSON, and examples under --help."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from gst.errors import StoreError, UsageError
from gst.plain_table import plain_table

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def examples(*lines: str) -> str:
    """The epilog of a command: complete command lines that work as they stand. Tests run them."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def result(text: str) -> None:
    """A line of the result, to stdout."""
    click.echo(text)


def result_json(data: Any) -> None:
    """The result as JSON, to stdout. Paths and other objects are written as text."""
    click.echo(json.dumps(data, indent=2, default=str, ensure_ascii=False))


def say(text: str) -> None:
    """Anything that is not the result, to stderr."""
    click.echo(text, err=True)


def warn(text: str) -> None:
    """Something that went wrong and did not stop the command, to stderr."""
    click.echo(f"warning: {text}", err=True)


def check_out(out: Path) -> None:
    """Raise where a PNG cannot be written to `out`."""
    if out.is_dir():
        raise UsageError(f"--out {out} is a folder", hint=f"Name a file in it: {out / 'story.png'}")
    if out.suffix.lower() != ".png":
        raise UsageError(f"--out {out} must end in .png; stories are written as PNG")
    if not out.parent.is_dir():
        raise StoreError(f"--out {out}: there is no folder {out.parent}", hint=f"mkdir -p {out.parent}")
    if not os.access(out.parent, os.W_OK):
        raise StoreError(f"--out {out}: the folder {out.parent} cannot be written")


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, right: Sequence[str] = ()) -> None:
    """A table to stdout: drawn by rich in a terminal, else aligned plain text, one line a row.

    Args:
        columns: headings.
        rows: cells, written with `str`; None stays empty.
        right: headings of columns to align right.
    """
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _draw(columns, cells, right)
        return
    for line in plain_table(columns, cells, [i for i, column in enumerate(columns) if column in right]):
        click.echo(line)


def _draw(columns: Sequence[str], cells: Sequence[Sequence[str]], right: Sequence[str]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        drawn.add_column(column, justify="right" if column in right else "left")
    for row in cells:
        drawn.add_row(*(Text(cell) for cell in row))
    Console().print(drawn)
