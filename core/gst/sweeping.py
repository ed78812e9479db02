"""A recipe at many values: every cell of a grid is a run, and what cells have in common is done once.

A sweep's folder holds a run for every cell, and sweep.json: the grid, each cell with its state and its numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gst.errors import GstError
from gst.progress import Progress
from gst.recipe.load import Source
from gst.run import RunResult
from gst.rundir import RunDir
from gst.series import Outcome, run_series
from gst.store import Store
from gst.sweep_plan import STATE, PlannedCell, SweepPlan, plan_sweep

FORMAT = 1


CellResult = Outcome[PlannedCell]


def sweep(
    recipe: Source,
    grid: Mapping[str, Sequence[Any]],
    overrides: Iterable[str] = (),
    *,
    out: str | Path | None = None,
    smoke: bool = False,
    store: Store | None = None,
    progress: Progress | None = None,
) -> list[RunResult]:
    """Run a recipe at every combination of values. Steps that cells have in common are done once.

    Args:
        recipe: a file, the name of a built-in recipe, or a dict.
        grid: path, as after `-s` -> the values to try; the last one changes fastest.
        overrides: "PATH=VALUE", for all cells.
        out: the sweep's folder, in which every cell has one; by default `runs/<name>-sweep`.
        smoke: lay the recipe's `smoke` section under the values.
        store: where finished steps are kept.
        progress: where lines and bars go; stderr by default.

    Returns:
        a run for every cell, in the order of the grid.

    Raises:
        GstError: the recipe is invalid at some values, before anything runs; or cells failed, after all others ran.
    """
    store, progress = store or Store(), progress or Progress()
    plan = plan_sweep(recipe, grid, overrides, out=out, smoke=smoke, store=store)
    results = run_sweep(plan, store=store, progress=progress)
    failed = [r for r in results if r.error is not None]
    if failed:
        raise GstError(
            f"{len(failed)} of {len(results)} cells failed: "
            + "; ".join(f"{r.planned.cell.name}: {r.error}" for r in failed),
            hint=f"The others are done, in {plan.dir}; the same call goes on with those that failed.",
        )
    return [r.run for r in results if r.run is not None]


def run_sweep(plan: SweepPlan, *, store: Store, progress: Progress) -> list[CellResult]:
    """Run the cells one after the other, as `run_series` does, and keep sweep.json up to date."""

    def save(results: Sequence[CellResult]) -> None:
        RunDir(plan.dir).write(STATE, summary(plan, results))

    return run_series(plan, store=store, progress=progress, after=save)


def tabulate(results: Sequence[CellResult]) -> tuple[list[str], list[list[Any]]]:
    """Headings and rows: a cell a row with its values, then its numbers, None where it has none.

    A number is headed by its metric, and by its step as well where several steps measure that.
    """
    numbers = [result.numbers() for result in results]
    columns = list(dict.fromkeys(name for found in numbers for name in found))
    metrics = [name.partition(": ")[2] for name in columns]
    heads = [metric if metrics.count(metric) == 1 else name for name, metric in zip(columns, metrics, strict=True)]
    rows = [
        [result.planned.cell.name, *(found[name].get("value") if name in found else None for name in columns)]
        for result, found in zip(results, numbers, strict=True)
    ]
    return ["cell", *heads], rows


def summary(plan: SweepPlan, results: Sequence[CellResult]) -> dict[str, Any]:
    """The sweep as JSON, finished cells with their numbers."""
    done = {result.planned.cell.name: result for result in results}
    cells = []
    for planned in plan.runs:
        result = done.get(planned.cell.name)
        state = "waiting" if result is None else "failed" if result.error is not None else "finished"
        numbers = {} if result is None else result.numbers()
        cells.append(
            {
                "name": planned.cell.name,
                "values": dict(planned.cell.values),
                "run": str(planned.dir),
                "new_steps": list(planned.new),
                "state": state,
                "error": None if result is None else result.error,
                "numbers": {
                    name: {key: row.get(key) for key in ("value", "low", "high", "direction")}
                    for name, row in numbers.items()
                },
            }
        )
    return {
        "format": FORMAT,
        "sweep": str(plan.dir),
        "recipe": plan.runs[0].recipe.name,
        "grid": {path: list(values) for path, values in plan.grid.items()},
        "overrides": list(plan.overrides),
        **plan.counts(),
        "seconds": plan.seconds,
        "cells": cells,
    }
