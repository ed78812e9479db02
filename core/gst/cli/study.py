"""`gst study`: a whole study, published as it goes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from gst.cli.output import examples, json_option, result, result_json, table, warn


@click.command(
    "study",
    epilog=examples(
        "gst study studies/maskgst.yaml --dry-run",
        "gst study studies/maskgst.yaml --out runs/study",
        "gst study studies/maskgst.yaml --table sv --smoke --out smoke-study",
        "gst study studies/maskgst.yaml --only hf-text -s hf-text:text.model=DIR",
    ),
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--only", multiple=True, metavar="ROW", help="Run this row only; may be repeated.")
@click.option("--table", "name", metavar="NAME", help="Run the rows of this table only.")
@click.option(
    "-s",
    "--set",
    "overrides",
    multiple=True,
    metavar="[ROW:]PATH=VALUE",
    help='Set a value in all rows, or in one; ROW may be a pattern ("codraw-*"). VALUE is YAML.',
)
@click.option("--out", type=click.Path(path_type=Path), help="The study's folder (default: runs/NAME-study).")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and how much of it is shared; do nothing.")
@click.option("--smoke", is_flag=True, help="The whole study at a tiny size: does it work at all?")
@json_option
def command(
    *,
    file: Path,
    only: Sequence[str],
    name: str | None,
    overrides: Sequence[str],
    out: Path | None,
    dry_run: bool,
    smoke: bool,
    as_json: bool,
) -> int:
    """Run every row of the study FILE with every seed, and write study.md after each: tables, differences, verdicts.

    Steps that rows have in common are done once. The same command goes on where it stopped. A run that fails is
    reported, the others go on, and the exit code is 1.
    """
    from gst.progress import Progress
    from gst.store import Store
    from gst.studying.plan import plan_study
    from gst.studying.run import PAGE, run_study, summary

    store, progress = Store(), Progress()
    plan = plan_study(file, overrides, only=only, table=name, out=out, smoke=smoke, store=store)
    for row, why in plan.skipped.items():
        warn(f"row '{row}' is skipped: {why}")
    if dry_run:
        if as_json:
            result_json(summary(plan, {}, {}, []))
            return 0
        rows = [[p.name, p.recipe.name, ", ".join(p.new) or "nothing"] for p in plan.runs]
        table(("run", "recipe", "to run"), rows)
        result(f"{plan.headline()}  ->  {plan.dir}")
        return 0
    progress.say(f"{plan.headline()}  ->  {plan.dir}")
    found = run_study(plan, store=store, progress=progress)
    if as_json:
        result_json(found.to_json())
    else:
        result(f"study: {plan.dir / PAGE}")
    for run, why in found.failed.items():
        warn(f"{run} failed: {why}")
    return int(bool(found.failed))
