"""`gst runs`: what was run here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gst.cli.output import examples, json_option, result_json, say, table


def listing(root: Path) -> list[dict[str, Any]]:
    """The runs below a folder, newest first."""
    from gst.rundir import list_runs

    return list_runs(root)


@click.command("runs", epilog=examples("gst runs", "gst runs --json"))
@click.argument("root", type=click.Path(path_type=Path), default=Path("runs"))
@json_option
def command(root: Path, as_json: bool) -> None:
    """List the runs below ROOT (default: runs), newest first."""
    found = listing(root)
    if as_json:
        result_json(found)
        return
    if not found:
        say(f"There are no runs in {root}.")
        return
    rows = []
    for run in found:
        states = [step["state"] for step in run["steps"].values()]
        done = sum(state in ("done", "cached") for state in states)
        rows.append([run["dir"], run["status"], f"{done}/{len(states)}", run["started"], run["title"] or run["recipe"]])
    table(("run", "state", "steps", "started", "recipe"), rows, right=("steps",))
