"""Runs one after the other: what they have in common is done once, and one that fails stops no other.

What a sweep and a study share.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar, cast

from gst import rundir
from gst.errors import GstError
from gst.estimate import Timings
from gst.graph import Graph
from gst.kinds import Step
from gst.make import Maker
from gst.progress import Progress, clock
from gst.recipe.spec import Recipe
from gst.run import RunResult, open_run, run_recipe
from gst.rundir import RunDir, recipe_hash
from gst.runtime import Runtime
from gst.store import Store


@dataclass(frozen=True)
class PlannedRun:
    """One run to be.

    Args:
        name: what it is called in the series.
        recipe: what runs.
        dir: the run's folder.
        fingerprints: step -> fingerprint, of the steps that the store keeps.
        new: the steps that neither the store has nor a run before this one makes.
    """

    name: str
    recipe: Recipe
    dir: Path
    fingerprints: dict[str, str]
    new: tuple[str, ...]

    def finished(self, store: Store) -> bool:
        """Whether this very recipe ran in its folder to the end, and the store still has all of it."""
        state = RunDir(self.dir).read(rundir.STATE)
        if state.get("status") != "finished" or state.get("recipe_hash") != recipe_hash(self.recipe):
            return False
        then = {name: step.get("fingerprint") for name, step in state["steps"].items()}
        return all(then.get(name) == key and store.find(key) is not None for name, key in self.fingerprints.items())


R = TypeVar("R", bound=PlannedRun)


@dataclass(frozen=True)
class Series(Generic[R]):
    """What will be done.

    Args:
        dir: the folder of all runs.
        runs: in order.
        seconds: what the new steps that were measured before will take together, None if none was.
        measured: whether all were.
    """

    noun: ClassVar[str] = "run"
    dir: Path
    runs: tuple[R, ...]
    seconds: float | None
    measured: bool

    def counts(self) -> dict[str, int]:
        """Steps in all runs, how many of them differ, and how many are in the store or to be run."""
        different = {key for planned in self.runs for key in planned.fingerprints.values()}
        to_run = sum(len(planned.new) for planned in self.runs)
        return {
            "steps": sum(len(planned.fingerprints) for planned in self.runs),
            "different": len(different),
            "stored": len(different) - to_run,
            "to_run": to_run,
        }

    def headline(self) -> str:
        """In one line: "6 cells of 54 steps: 21 different ones, 4 are in the store, 17 to run"."""
        n = self.counts()
        time = "" if self.seconds is None else f" (~{clock(self.seconds)}{'' if self.measured else '+'})"
        return (
            f"{len(self.runs)} {self.noun}s of {n['steps']} steps: {n['different']} different ones, {n['stored']} are "
            f"in the store, {n['to_run']} to run{time}"
        )


class Planner:
    """Finds what is new in each run of a series.

    Attributes:
        seconds: what each new step that was measured before will take.
        measured: whether all new steps were.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.seconds: list[float] = []
        self.measured = True
        self._known: set[str] = set()

    def add(self, recipe: Recipe) -> tuple[dict[str, str], tuple[str, ...]]:
        """The fingerprints of a recipe's steps that the store keeps, and which of these steps are new.

        Raises:
            DataError: its data are not there.
        """
        keys = {
            name: fingerprint
            for name, fingerprint in Graph(recipe).fingerprints(Maker(recipe, _no_artifact)).items()
            if cast(type[Step], recipe.steps[name].cls).cached
        }
        new = [name for name, key in keys.items() if key not in self._known and self.store.find(key) is None]
        self._known.update(keys.values())
        settings = {key: value for key, value in recipe.runtime.items() if key != "trackers"}
        estimates = [Timings(self.store, recipe, Runtime(**settings)).get(name) for name in new]
        self.seconds += [e.seconds for e in estimates if e is not None and e.seconds is not None]
        self.measured = self.measured and all(e is not None and e.seconds is not None for e in estimates)
        return keys, tuple(new)

    def total(self) -> float | None:
        """What the new steps will take together, as far as that is known."""
        return sum(self.seconds) if self.seconds else None


@dataclass(frozen=True)
class Outcome(Generic[R]):
    """What became of a run.

    Args:
        planned: what it was to be.
        run: the run, or None.
        error: why there is none.
        failed: fingerprints of the steps that failed.
    """

    planned: R
    run: RunResult | None
    error: str | None = None
    failed: tuple[str, ...] = ()

    def numbers(self) -> dict[str, dict[str, Any]]:
        """ "step: metric" -> the row of what was scored first (the model's), without parts such as "char-f1/Bobo"."""
        found = {}
        for port, scored in ({} if self.run is None else self.run.metrics).items():
            for row in scored["rows"]:
                if row["of"] == scored["rows"][0]["of"] and "/" not in str(row["metric"]):
                    found[f"{port.partition('.')[0]}: {row['metric']}"] = row
        return found


def run_series(
    series: Series[R], *, store: Store, progress: Progress, after: Callable[[Sequence[Outcome[R]]], None]
) -> list[Outcome[R]]:
    """Do the runs one after the other. One that fails is reported, and the others go on.

    One that is finished is opened and not run again. One that needs a step which failed in a run before, with the same
    fingerprint, is not tried in this series.

    Args:
        series: what to do.
        store: where finished steps are kept.
        progress: is told which run it is.
        after: is given the outcomes so far, at the start and after every run.
    """
    outcomes: list[Outcome[R]] = []
    broken: dict[str, str] = {}
    after(outcomes)
    for number, planned in enumerate(series.runs, 1):
        which = f"{series.noun} {number} of {len(series.runs)}"
        progress.say(f"{which}: {planned.name}")
        cause = next((broken[key] for key in planned.fingerprints.values() if key in broken), None)
        outcome = _run(planned, store, progress) if cause is None else Outcome(planned, None, cause)
        if outcome.error is not None:
            progress.say(f"{which} failed: {outcome.error}")
            broken = {**dict.fromkeys(outcome.failed, f"as in {planned.name}: {outcome.error}"), **broken}
        outcomes.append(outcome)
        after(outcomes)
    return outcomes


def _run(planned: R, store: Store, progress: Progress) -> Outcome[R]:
    before: Any = None
    try:
        if planned.finished(store):
            progress.say(f"{planned.dir} is finished")
            return Outcome(planned, open_run(planned.dir))
        before = RunDir(planned.dir).read(rundir.STATE)
        made = run_recipe(planned.recipe, out=planned.dir, store=store, progress=progress)
        # As it is when opened later, so that a long series does not hold the data sets of all its runs.
        return Outcome(planned, replace(made, maker=open_run(planned.dir).maker))
    except GstError as error:
        cause = error.message
    except Exception as error:  # a bug in a plugin must not cost the other runs
        cause = f"{type(error).__name__}: {error}"
    after = RunDir(planned.dir).read(rundir.STATE)
    steps = after.get("steps", {}).values() if after != before else ()
    return Outcome(planned, None, cause, tuple(step["fingerprint"] for step in steps if step["state"] == "failed"))


def _no_artifact(step: str, port: str) -> Any:
    raise AssertionError(f"${step}.{port} is not needed for fingerprints")
