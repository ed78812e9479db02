"""`gst compare`: the numbers of runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gst.cli.output import examples, json_option, result, say, table
from gst.errors import UsageError

if TYPE_CHECKING:
    from gst.comparison.table import Comparison, Format

FORMATS = ("text", "json", "csv", "latex", "html", "markdown")


def label_runs(arguments: tuple[str, ...]) -> list[str] | dict[str, list[str]]:
    """RUN ... as a list, or LABEL=RUN ... as label -> runs.

    Raises:
        UsageError: only some have a label.
    """
    parts = [("", given) if Path(given).exists() or "=" not in given else given.split("=", 1) for given in arguments]
    if not any(label for label, _ in parts):
        return [path for _, path in parts]
    labelled: dict[str, list[str]] = {}
    for label, path in parts:
        if not label:
            raise UsageError(f"{path} has no label, others have", hint=f"Give all runs one: {Path(path).name}={path}")
        labelled.setdefault(label, []).append(path)
    return labelled


def show(comparison: Comparison) -> None:
    """All tables to stdout, drawn by rich in a terminal."""
    from gst.comparison.formats.grid import grids
    from gst.comparison.formats.text import starred

    for number, grid in enumerate(grids(comparison)):
        result(f"{chr(10) if number else ''}{grid.title}\n")
        table(grid.head, starred(grid), right=grid.head[grid.words :])
        for line in ("", *grid.lines) if grid.lines else ():
            result(line)


@click.command(
    "compare",
    epilog=examples(
        "gst compare runs/maskgst_cg runs/maskgst",
        "gst compare runs/maskgst_cg runs/maskgst --against runs/maskgst --metric char-f1 --metric fid-clf",
        "gst compare CG=runs/maskgst_cg none=runs/maskgst --against none --out table.tex",
        "gst compare runs/maskgst_cg --published visualization/pororo-sv --format markdown",
    ),
)
@click.argument("runs", metavar="[LABEL=]RUN...", nargs=-1, required=True)
@click.option("--against", metavar="RUN|LABEL", help="Paired differences to this one, over the same stories.")
@click.option("--metric", "metrics", multiple=True, metavar="NAME", help='Show these numbers only; "char-f1/*" works.')
@click.option("--table", "step", metavar="STEP", help="The step whose table is compared [default: scores the output].")
@click.option(
    "--also", multiple=True, metavar="NAME", help="Other pictures of the tables to show, as retrieval or real."
)
@click.option("--each", is_flag=True, help="A row for every run, also where only seeds differ.")
@click.option("--split-columns", is_flag=True, help="Give numbers that were measured differently columns of their own.")
@click.option(
    "--published", multiple=True, metavar="[TASK/]DATASET", help="Show published tables below; see gst published."
)
@click.option("--format", "form", type=click.Choice(FORMATS), help="[default: text, or what the suffix of --out says]")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write it to this file.")
@json_option
def command(
    *,
    runs: tuple[str, ...],
    against: str | None,
    metrics: tuple[str, ...],
    step: str | None,
    also: tuple[str, ...],
    each: bool,
    split_columns: bool,
    published: tuple[str, ...],
    form: Format | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Set the numbers of runs side by side: with 95 % intervals over stories, floors, ceilings and protocol.

    Runs that differ in their seeds only become one row. A column holds numbers that were measured alike (extractor,
    resize, counts, data); anything else is refused, with what differs.
    """
    from gst.comparison.assemble import compare
    from gst.comparison.table import format_of

    form = "json" if as_json else form
    if out is not None and form is None:
        form = format_of(out)  # before the work
    found = compare(
        label_runs(runs),
        against,
        metrics=metrics,
        table=step,
        also=also,
        each=each,
        split_columns=split_columns,
        published=published,
    )
    if out is not None:
        found.save(out, form)
        say(f"wrote {out}")
    elif form in (None, "text"):
        show(found)
    else:
        result(found.render(form or "text").removesuffix("\n"))
