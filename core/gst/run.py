"""Running a recipe: each step once, its outputs in the store, everything about the run in one folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gst.context import Planned, StepContext
from gst.errors import DataError, UsageError
from gst.execution import Run
from gst.make import Maker
from gst.outputs import Outputs, Results, Shelf
from gst.planning import lines, make_plan, require_space
from gst.progress import Progress
from gst.recipe.load import Source, load_recipe
from gst.recipe.spec import Recipe
from gst.rundir import STATE, RunDir
from gst.store import Store

__all__ = ["Planned", "RunResult", "StepContext", "open_run", "run_recipe"]


@dataclass(frozen=True)
class RunResult:
    """A run.

    Args:
        dir: its folder.
        recipe: what ran.
        plan: what was to be done; empty for a run that was opened later.
        outputs: "step.port" -> artifact, opened when asked for.
        metrics: "step.port" -> {"rows", "about"} of every table.
        seconds: step -> how long it took, for the steps that ran.
        maker: builds what the recipe says, with the run's artifacts: `run.maker.value(run.recipe.steps["sample"]
            .options["prior"])` is the trained prior.
    """

    dir: Path
    recipe: Recipe
    plan: tuple[Planned, ...]
    outputs: Mapping[str, Any]
    metrics: Mapping[str, Any]
    seconds: Mapping[str, float]
    maker: Maker

    @property
    def nothing_to_do(self) -> bool:
        """Whether every step was in the store already."""
        return not any(planned.state in ("run", "resume") for planned in self.plan)

    def option(self, step: str, name: str) -> Any:
        """An option of a step, with references replaced by the run's artifacts and components."""
        return self.maker.value(self.recipe.steps[step].options[name])


def run_recipe(
    recipe: Source | Recipe,
    overrides: Iterable[str] = (),
    *,
    out: str | Path | None = None,
    only: Sequence[str] = (),
    from_: str | None = None,
    until: str | None = None,
    force: Sequence[str] = (),
    smoke: bool = False,
    dry_run: bool = False,
    probe: bool | None = None,
    store: Store | None = None,
    progress: Progress | None = None,
) -> RunResult:
    """Run the steps of a recipe that are not in the store yet.

    Args:
        recipe: a file, the name of a built-in recipe, a dict, or a recipe that was loaded.
        overrides: "PATH=VALUE", as after `-s`.
        out: the run's folder; by default `runs/<name>`, the same for the same recipe.
        only: run these steps; what they need must be in the store.
        from_: run this step and all after it.
        until: run this step and all before it.
        force: run these steps even if they are in the store.
        smoke: lay the recipe's `smoke` section over it: the whole graph at a tiny size.
        dry_run: say what would be done, and do nothing.
        probe: measure steps for a few seconds to estimate time and memory; by default for all but smoke runs.
        store: where finished steps are kept.
        progress: where lines and bars go; stderr by default.

    Raises:
        GstError: the recipe is invalid, a plugin or the data are missing, a step failed, the disk is full. What was
            finished before stays in the store.
    """
    loaded = recipe if isinstance(recipe, Recipe) else load_recipe(recipe, overrides, smoke=smoke)
    run = Run(loaded, store or Store(), None if out is None else Path(out), progress or Progress())
    selected = run.graph.select(only=only, from_=from_, until=until)
    plan = make_plan(run, selected, force, probe=not loaded.smoke if probe is None else probe)
    for line in lines(run, plan):
        run.progress.say(line)
    require_space(run, plan)
    if not dry_run:
        run.execute(plan)
    results = Results(run.shelf)
    return RunResult(run.dir, loaded, plan, Outputs(results), dict(run.metrics), dict(run.seconds), run.maker)


def open_run(path: str | Path) -> RunResult:
    """A run that was made before, from its folder; outputs are opened from its store when they are asked for.

    Raises:
        UsageError: there is no run.
        StoreError: an output is asked for that the store does not have any more, or that is damaged.
    """
    run_dir = RunDir(Path(path))
    state = run_dir.read(STATE)
    if not state:
        raise UsageError(f"there is no run in {path}", hint="gst runs lists the runs here.")
    recipe = load_recipe(run_dir.path / "recipe.yaml")
    try:
        recipe = replace(recipe, name=state["recipe"], smoke=state["smoke"])
        fingerprints = {name: str(step["fingerprint"]) for name, step in state["steps"].items()}
        store = Store(Path(state["store"]))
        finished = [name for name, step in state["steps"].items() if step["state"] in ("cached", "done")]
    except (KeyError, TypeError) as error:
        raise DataError(f"{run_dir.path / STATE} is damaged: {error!r}") from error
    shelf = Shelf(recipe, store, fingerprints)
    shelf.finished += [name for name in recipe.steps if name in finished]
    results = Results(shelf)
    return RunResult(
        run_dir.path,
        recipe,
        (),
        Outputs(results),
        run_dir.read("metrics.json"),
        {name: float(step["seconds"]) for name, step in state["steps"].items() if step.get("seconds") is not None},
        Maker(recipe, shelf.get),
    )
