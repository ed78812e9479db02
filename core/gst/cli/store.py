"""`gst store`: finished steps, what they take, and taking out what nobody uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from gst.cli.output import examples, json_option, result, result_json, table

if TYPE_CHECKING:
    from gst.collect import Item


@click.group("store", epilog=examples("gst store ls", "gst store du", "gst store gc --dry-run"))
def command() -> None:
    """Look into the store of finished steps, and clean it. It is in $GST_STORE, or else in ~/.cache/gst/store."""


@command.command("ls", epilog=examples("gst store ls", "gst store ls --json"))
@json_option
def ls(as_json: bool) -> None:
    """List what is in the store: finished steps, work that was interrupted, damaged entries."""
    from gst.collect import survey
    from gst.store import Store

    found = survey(Store())
    if as_json:
        result_json([asdict(item) for item in found])
    else:
        _table(found)


@command.command("du", epilog=examples("gst store du", "gst store du --json"))
@json_option
def du(as_json: bool) -> None:
    """Sum up what the store takes, and how much of it no run uses."""
    from gst.planning import size
    from gst.store import Store

    found = usage()
    if as_json:
        result_json(found)
        return
    result(f"store: {Store().root}")
    table(
        ("state", "count", "size"),
        [[k, v["count"], size(v["bytes"])] for k, v in found.items()],
        right=("count", "size"),
    )


def usage() -> dict[str, dict[str, int]]:
    """State ("used", "unused", "damaged", "total") -> {"count", "bytes"}."""
    from gst.collect import survey
    from gst.store import Store

    found = survey(Store())
    groups = {state: [item for item in found if item.state == state] for state in ("used", "unused", "damaged")}
    groups["total"] = found
    return {state: {"count": len(items), "bytes": sum(i.size for i in items)} for state, items in groups.items()}


@command.command("gc", epilog=examples("gst store gc --dry-run", "gst store gc", "gst store gc --corrupt"))
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
@click.option("--corrupt", is_flag=True, help="Read every file, and remove the entries that are damaged.")
@json_option
def gc(dry_run: bool, corrupt: bool, as_json: bool) -> None:
    """Remove what no run's folder uses (delete a run's folder first to let go of what it uses)."""
    from gst.collect import collect
    from gst.planning import size
    from gst.store import Store

    removed = collect(Store(), corrupt=corrupt, dry_run=dry_run)
    if as_json:
        result_json([asdict(item) for item in removed])
        return
    if removed:
        _table(removed)
    verb = "would be removed" if dry_run else "removed"
    result(f"{len(removed)} {verb}, {size(sum(item.size for item in removed))}")


def _table(items: Sequence[Item]) -> None:
    from gst.planning import size

    rows: list[list[Any]] = [
        [
            item.fingerprint[:12],
            item.info.get("step", item.what),
            item.info.get("use", ""),
            item.info.get("recipe", ""),
            item.state,
            len(item.runs),
            size(item.size),
            item.info.get("finished", ""),
        ]
        for item in items
    ]
    columns = ("fingerprint", "step", "use", "recipe", "state", "runs", "size", "finished")
    table(columns, rows, right=("runs", "size"))
