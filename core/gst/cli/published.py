"""`gst published`: what others have published."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gst.cli.output import examples, json_option, result, result_json, say, table

if TYPE_CHECKING:
    from gst.comparison.published import PublishedTable


def overview(tables: list[PublishedTable]) -> list[list[str]]:
    """A line a table: TASK/DATASET, its name, how many models, which metrics, how surely it was read."""
    lines = []
    for each in tables:
        metrics = dict.fromkeys(name.partition("/")[0] for name in each.metrics)
        lines.append([each.place, each.id, str(len(each.rows)), ", ".join(metrics), each.confidence, each.where])
    return lines


@click.command(
    "published",
    epilog=examples("gst published", "gst published visualization/pororo-sv", "gst published -q cmota --json"),
)
@click.argument("what", metavar="[TASK/DATASET]", required=False)
@click.option("-q", "word", metavar="WORD", help="Only models that match, by name, family, note or source.")
@json_option
def command(what: str | None, word: str | None, as_json: bool) -> None:
    """Show what others have published on a data set: figures with source, protocol, and how surely they were read.

    Without TASK/DATASET and -q, lists the tables.
    """
    from gst.comparison.published import DIFFERS, published

    found = published(what, word)
    if as_json:
        result_json([each.to_json() for each in found])
    elif not found:
        say(f"No published row matches '{word}'. `gst published` lists the tables.")
    elif what is None and word is None:
        table(("task/data set", "table", "models", "metrics", "read", "where"), overview(found), right=("models",))
        say(DIFFERS)
    else:
        from gst.comparison.formats.grid import of_published

        for number, each in enumerate(found):
            grid = of_published(each, first=number == 0)
            result(f"{chr(10) if number else ''}{grid.title}\n")
            table(grid.head, grid.body, right=grid.head[grid.words :])
            for line in ("", *grid.lines):
                result(line)
