"""`gst run`: does what a recipe says."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gst.cli.output import examples, json_option, result, result_json, say, table

if TYPE_CHECKING:
    from gst.run import RunResult

set_option = click.option(
    "-s", "--set", "overrides", multiple=True, metavar="PATH=VALUE", help="Set a value; VALUE is YAML. May be repeated."
)


def summary(run: RunResult) -> dict[str, Any]:
    """A run as JSON."""
    return {
        "run": str(run.dir),
        "recipe": run.recipe.name,
        "nothing_to_do": run.nothing_to_do,
        "steps": [
            {
                "name": planned.name,
                "use": planned.use,
                "plan": planned.state,
                "estimate": None if planned.estimate is None else asdict(planned.estimate),
                "seconds": run.seconds.get(planned.name),
            }
            for planned in run.plan
        ],
        "outputs": list(run.outputs),
        "metrics": dict(run.metrics),
    }


def scores(table: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of one table of scores: a row a metric, a column for each thing that was scored.

    Parts of a metric ("char-f1/Bobo"), intervals and signatures are in metrics.json and in the report.
    """
    rows = [row for row in table["rows"] if "/" not in str(row["metric"])]
    columns = list(dict.fromkeys(str(row["of"]) for row in rows))
    cells: dict[str, dict[str, str]] = {}
    for row in rows:
        value = row.get("value")
        text = f"{value:.4g}" if isinstance(value, int | float) else str(value)
        cells.setdefault(str(row["metric"]), {})[str(row["of"])] = text
    return ["metric", *columns], [[name, *(found.get(c, "") for c in columns)] for name, found in cells.items()]


@click.command(
    "run",
    epilog=examples(
        "gst run recipes/maskgst_cg.yaml --dry-run",
        "gst run maskgst_cg --smoke --out smoke-run",
        "gst run maskgst_cg --smoke --out smoke-seed1 -s seed=1 --until vqgan",
    ),
)
@click.argument("recipe")
@set_option
@click.option("--only", multiple=True, metavar="STEP", help="Run this step only. May be repeated.")
@click.option("--from", "from_", metavar="STEP", help="Run this step and those after it.")
@click.option("--until", metavar="STEP", help="Run this step and those before it.")
@click.option("--force", multiple=True, metavar="STEP", help="Run this step even if it was done. May be repeated.")
@click.option("--out", type=click.Path(path_type=Path), help="The run's folder (default: runs/NAME).")
@click.option("--dry-run", is_flag=True, help="Say what would be done, with estimates, and do nothing.")
@click.option("--smoke", is_flag=True, help="The whole recipe at a tiny size: does it work at all?")
@json_option
def command(
    *,
    recipe: str,
    overrides: Sequence[str],
    only: Sequence[str],
    from_: str | None,
    until: str | None,
    force: Sequence[str],
    out: Path | None,
    dry_run: bool,
    smoke: bool,
    as_json: bool,
) -> None:
    """Train, sample and evaluate what RECIPE says.

    RECIPE is a file or the name of a built-in recipe. Steps that were done before, by this or another recipe, are taken
    from the store; a step that was interrupted goes on where it was.
    """
    from gst.progress import Progress
    from gst.run import run_recipe

    try:
        run = run_recipe(
            recipe,
            overrides,
            out=out,
            only=only,
            from_=from_,
            until=until,
            force=force,
            smoke=smoke,
            dry_run=dry_run,
            progress=Progress(sys.stdout) if dry_run and not as_json else None,
        )
    except (KeyboardInterrupt, SystemExit):
        say(f"to go on: gst {shlex.join(_arguments())}")
        raise
    if as_json:
        result_json(summary(run))
    elif not dry_run:
        for port, scored in run.metrics.items():
            columns, rows = scores(scored)
            if rows:
                result(f"{port.removesuffix('.table')}:")
                table(columns, rows, right=columns[1:])
                result("")
        page = run.dir / "index.html"
        result(f"report: {page}" if page.exists() else f"run: {run.dir}")


def _arguments() -> list[str]:
    """The command line without --force: what was forced and interrupted goes on."""
    words, kept = sys.argv[1:], []
    while words:
        word = words.pop(0)
        if word == "--force" and words:
            words.pop(0)
        elif not word.startswith("--force="):
            kept.append(word)
    return kept
