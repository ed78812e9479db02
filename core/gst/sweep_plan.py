"""What a sweep will do: a run for every cell of a grid, and which steps these have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gst.errors import UsageError
from gst.grid import Cell, make_cells
from gst.recipe.load import Source, load_recipe
from gst.series import PlannedRun, Planner, Series
from gst.store import Store

STATE = "sweep.json"


@dataclass(frozen=True)
class PlannedCell(PlannedRun):
    """One cell to be.

    Args:
        cell: its values.
    """

    cell: Cell


@dataclass(frozen=True)
class SweepPlan(Series[PlannedCell]):
    """What a sweep will do.

    Args:
        grid: path -> values.
        overrides: what is changed in all cells.
    """

    noun = "cell"
    grid: Mapping[str, Sequence[Any]]
    overrides: tuple[str, ...]


def plan_sweep(
    recipe: Source,
    grid: Mapping[str, Sequence[Any]],
    overrides: Iterable[str] = (),
    *,
    out: str | Path | None = None,
    smoke: bool = False,
    store: Store,
) -> SweepPlan:
    """Read and check the recipe at all values, and find what must be done. Arguments as in `sweep`.

    Raises:
        UsageError: the grid makes no sense, sets what an override sets too, or `out` holds something else.
        RecipeError: the recipe is invalid at some values.
        DataError: its data are not there.
    """
    overrides, cells = tuple(overrides), make_cells(grid)
    for path in {text.partition("=")[0].strip() for text in overrides} & set(grid):
        raise UsageError(f"'{path}' is set for all cells and tried at several values; leave one of both out")
    folder, planner, planned = None if out is None else Path(out), Planner(store), []
    for cell in cells:
        loaded = load_recipe(recipe, (*overrides, *cell.overrides), smoke=smoke)
        folder = folder or Path("runs") / f"{loaded.name}{'-smoke' if smoke else ''}-sweep"
        planned.append(PlannedCell(cell.name, loaded, folder / cell.name, *planner.add(loaded), cell))
    assert folder is not None  # a grid has cells
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / STATE).exists())):
        raise UsageError(f"{folder} is there and is no sweep", hint="Give --out a new folder, or that of a sweep.")
    return SweepPlan(folder, tuple(planned), planner.total(), planner.measured, dict(grid), overrides)
