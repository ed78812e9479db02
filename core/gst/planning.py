"""What a run will do, what it will need, and both in lines for people."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gst.context import Planned, State
from gst.errors import StoreError, UsageError
from gst.estimate import Prober, Timings
from gst.kinds import Estimate
from gst.progress import Progress, clock
from gst.tracking import Tracking

if TYPE_CHECKING:
    from gst.execution import Run

ACTIVE = ("run", "resume", "always")
_SAYS = {
    "cached": "in the store",
    "run": "to run",
    "resume": "goes on",
    "always": "every time",
    "skipped": "not asked for",
}


def make_plan(run: Run, selected: Sequence[str], force: Sequence[str], *, probe: bool) -> tuple[Planned, ...]:
    """What is to be done about each step, and what it will need.

    Args:
        run: the run.
        selected: the steps asked for.
        force: steps to run even if they are in the store.
        probe: measure steps that were never measured on this machine.

    Raises:
        UsageError: a step to be forced does not exist, or a step was asked for whose inputs are not there.
        StoreError: an entry in the store is damaged.
        GstError: a step cannot be built as the recipe says (where it is probed).
    """
    for name in force:
        run.graph.require(name)
    plan = [
        Planned(name, run.recipe.steps[name].use, _state(run, name, selected, force), forced=name in force)
        for name in run.graph.order
    ]
    _require_inputs(run, plan)
    timings = Timings(run.store, run.recipe, run.runtime)
    plan = [replace(p, estimate=timings.get(p.name)) if p.state in ACTIVE else p for p in plan]
    if not probe:
        return tuple(plan)
    to_come = {p.name for p in plan if p.state in ACTIVE}
    quiet = Progress(quiet=True)
    prober = Prober(
        run.maker,
        lambda step, port: None if step in to_come else run.shelf.stored(step, port),
        lambda name, folder: run.context(name, folder, folder, Tracking(folder, name), quiet),
        run.progress.say,
    )
    with run.progress.task("measuring what the steps will need", len(plan)) as task:
        for i, planned in enumerate(plan):
            if planned.state in ACTIVE and planned.estimate is None:
                plan[i] = replace(planned, estimate=prober.estimate(planned.name))
            task.advance()
    return tuple(plan)


def _state(run: Run, name: str, selected: Sequence[str], force: Sequence[str]) -> State:
    if name not in selected:
        return "skipped"
    if not run.is_cached(name):
        return "always"
    if name in force:
        return "run"
    if run.store.find(run.fingerprints[name]) is not None:
        return "cached"
    return "resume" if any(run.store.work(run.fingerprints[name]).glob("*")) else "run"


def _require_inputs(run: Run, plan: Sequence[Planned]) -> None:
    states = {planned.name: planned.state for planned in plan}
    for name, state in states.items():
        for before in run.graph.needs(name) if state in ACTIVE else ():
            if states[before] == "skipped" and run.store.find(run.fingerprints[before]) is None:
                raise UsageError(
                    f"step '{name}' needs what '{before}' gives, which is not in the store",
                    hint=f"Run {before} too: gst run ... --until {name}",
                )


def require_space(run: Run, plan: Sequence[Planned]) -> None:
    """Raise `StoreError` where the disk is too small for what the plan will need."""
    needed = sum(p.estimate.disk or 0 for p in plan if p.estimate is not None)
    place = next(each for each in (run.store.root, *run.store.root.parents) if each.exists())
    free = shutil.disk_usage(place).free
    if needed > free:
        raise StoreError(
            f"this run needs about {size(needed)} in {run.store.root}, where {size(free)} are free",
            hint="Make room (gst store gc), or set GST_STORE to a place on another disk.",
        )


def lines(run: Run, plan: Sequence[Planned]) -> Iterator[str]:
    """The plan: where, on what, each step with its state and needs, and the sum."""
    for warning in run.recipe.warnings:
        yield f"warning: {warning}"
    about = run.runtime.describe()
    yield f"{run.recipe.title or run.recipe.name}  ->  {run.dir}  (store: {run.store.root})"
    yield f"on {about['device']}, {about['precision']}, {about['threads']} threads"
    active = [p for p in plan if p.state in ("run", "resume")]
    if not active:
        yield "nothing to do: every step is in the store"
        return
    rows = [("step", "use", "", "time", "memory", "disk"), *(_row(p) for p in plan)]
    rows.append(("total", "", "", *_needs(_total(active), unknown=any(_unknown(p) for p in active))))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def size(count: float) -> str:
    """Bytes as people say them: "3.2 MiB"."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def _row(planned: Planned) -> tuple[str, ...]:
    if planned.state not in ("run", "resume"):
        return planned.name, planned.use, _SAYS[planned.state], "", "", ""
    if planned.estimate is None:
        return planned.name, planned.use, _SAYS[planned.state], "known when it runs", "", ""
    return planned.name, planned.use, _SAYS[planned.state], *_needs(planned.estimate, unknown=False)


def _needs(estimate: Estimate, *, unknown: bool) -> tuple[str, str, str]:
    more = "+" if unknown else ""
    return (
        "" if estimate.seconds is None else f"~{clock(estimate.seconds)}{more}",
        "" if estimate.memory is None else f"{size(estimate.memory)}{more}",
        "" if estimate.disk is None else f"{size(estimate.disk)}{more}",
    )


def _total(plan: Sequence[Planned]) -> Estimate:
    known = [p.estimate for p in plan if p.estimate is not None]
    seconds = [e.seconds for e in known if e.seconds is not None]
    memory = [e.memory for e in known if e.memory is not None]
    disk = [e.disk for e in known if e.disk is not None]
    return Estimate(sum(seconds) if seconds else None, max(memory) if memory else None, sum(disk) if disk else None)


def _unknown(planned: Planned) -> bool:
    return planned.estimate is None or planned.estimate.seconds is None
