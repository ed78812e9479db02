"""`gst sweep`: a recipe at many values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from gst.cli.output import examples, json_option, result, result_json, table, warn
from gst.cli.run import set_option


@click.command(
    "sweep",
    epilog=examples(
        "gst sweep maskgst_cg --grid components.sampler.steps='[4, 8, 12]' --grid seed='[0, 1, 2]' --dry-run",
        "gst sweep maskgst_cg --grid guidance.scale='[0, 0.2, 0.4]' -s drawn.stories=200 --out runs/scales",
        "gst sweep maskgst_cg --smoke --grid sampler.steps='[1, 2]' --out smoke-sweep",
    ),
)
@click.argument("recipe")
@click.option(
    "--grid",
    multiple=True,
    required=True,
    metavar="PATH=[VALUE, ...]",
    help="Try each of these values; PATH as after -s, a YAML list. Several: all combinations, the last fastest.",
)
@set_option
@click.option("--out", type=click.Path(path_type=Path), help="The sweep's folder (default: runs/NAME-sweep).")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and how much of it is shared; do nothing.")
@click.option("--smoke", is_flag=True, help="The whole sweep at a tiny size: does it work at all?")
@json_option
def command(
    *,
    recipe: str,
    grid: Sequence[str],
    overrides: Sequence[str],
    out: Path | None,
    dry_run: bool,
    smoke: bool,
    as_json: bool,
) -> int:
    """Run RECIPE at every combination of values, each in a folder of its own below --out.

    Steps that cells have in common are done once. The same command goes on where it stopped. A cell that fails is
    reported, the others go on, and the exit code is 1.
    """
    from gst.grid import read_grid
    from gst.progress import Progress
    from gst.store import Store
    from gst.sweep_plan import plan_sweep
    from gst.sweeping import run_sweep, summary, tabulate

    store, progress = Store(), Progress()
    plan = plan_sweep(recipe, read_grid(grid), overrides, out=out, smoke=smoke, store=store)
    if dry_run:
        if as_json:
            result_json(summary(plan, []))
            return 0
        table(("cell", "to run"), [[p.cell.name, ", ".join(p.new) or "nothing"] for p in plan.runs])
        result(f"{plan.headline()}  ->  {plan.dir}")
        return 0
    progress.say(f"{plan.headline()}  ->  {plan.dir}")
    results = run_sweep(plan, store=store, progress=progress)
    failed = [r for r in results if r.error is not None]
    if as_json:
        result_json(summary(plan, results))
    else:
        columns, rows = tabulate(results)
        shown = [[f"{c:.4g}" if isinstance(c, int | float) else c for c in row] for row in rows]
        table(columns, shown, right=columns[1:])
        result(f"sweep: {plan.dir}")
    for r in failed:
        warn(f"{r.planned.cell.name} failed: {r.error}")
    return int(bool(failed))
