"""What a sweep will do: a run for every cell of a grid, and which steps these have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from gst.errors import UsageError
from gst.estimate import Timings
from gst.graph import Graph
from gst.grid import Cell, make_cells
from gst.kinds import Step
from gst.make import Maker
from gst.progress import clock
from gst.recipe.load import Source, load_recipe
from gst.recipe.spec import Recipe
from gst.runtime import Runtime
from gst.store import Store

STATE = "sweep.json"


@dataclass(frozen=True)
class PlannedCell:
    """One run to be.

    Args:
        cell: its values.
        recipe: with them.
        dir: the run's folder.
        fingerprints: step -> fingerprint, of the steps that the store keeps.
        new: the steps that neither the store has nor a cell before this one makes.
    """

    cell: Cell
    recipe: Recipe
    dir: Path
    fingerprints: Mapping[str, str]
    new: tuple[str, ...]


@dataclass(frozen=True)
class SweepPlan:
    """What a sweep will do.

    Args:
        dir: its folder.
        grid: path -> values.
        overrides: what is changed in all cells.
        cells: in order.
        seconds: what the new steps that were measured before will take together, None if none was.
        measured: whether all were.
    """

    dir: Path
    grid: Mapping[str, Sequence[Any]]
    overrides: tuple[str, ...]
    cells: tuple[PlannedCell, ...]
    seconds: float | None
    measured: bool

    def counts(self) -> dict[str, int]:
        """Steps in all cells, how many of them differ, and how many are in the store or to be run."""
        different = {key for planned in self.cells for key in planned.fingerprints.values()}
        to_run = sum(len(planned.new) for planned in self.cells)
        return {
            "steps": sum(len(planned.fingerprints) for planned in self.cells),
            "different": len(different),
            "stored": len(different) - to_run,
            "to_run": to_run,
        }

    def headline(self) -> str:
        """In one line: "6 cells of 54 steps: 21 different ones, 4 are in the store, 17 to run"."""
        n = self.counts()
        time = "" if self.seconds is None else f" (~{clock(self.seconds)}{'' if self.measured else '+'})"
        return (
            f"{len(self.cells)} cells of {n['steps']} steps: {n['different']} different ones, {n['stored']} are in the "
            f"store, {n['to_run']} to run{time}"
        )


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
    folder, known, planned = None if out is None else Path(out), set[str](), []
    seconds, measured = [], True
    for cell in cells:
        loaded = load_recipe(recipe, (*overrides, *cell.overrides), smoke=smoke)
        folder = folder or Path("runs") / f"{loaded.name}{'-smoke' if smoke else ''}-sweep"
        graph = Graph(loaded)
        keys = {
            name: fingerprint
            for name, fingerprint in graph.fingerprints(Maker(loaded, _no_artifact)).items()
            if cast(type[Step], loaded.steps[name].cls).cached
        }
        new = [name for name, key in keys.items() if key not in known and store.find(key) is None]
        known.update(keys.values())
        settings = {key: value for key, value in loaded.runtime.items() if key != "trackers"}
        estimates = [Timings(store, loaded, Runtime(**settings)).get(name) for name in new]
        seconds += [e.seconds for e in estimates if e is not None and e.seconds is not None]
        measured = measured and all(e is not None and e.seconds is not None for e in estimates)
        planned.append(PlannedCell(cell, loaded, folder / cell.name, keys, tuple(new)))
    assert folder is not None  # a grid has cells
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / STATE).exists())):
        raise UsageError(f"{folder} is there and is no sweep", hint="Give --out a new folder, or that of a sweep.")
    return SweepPlan(folder, dict(grid), overrides, tuple(planned), sum(seconds) if seconds else None, measured)


def _no_artifact(step: str, port: str) -> Any:
    raise AssertionError(f"${step}.{port} is not needed for fingerprints")
