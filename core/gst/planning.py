"""What a run will do, in lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from gst.context import Planned
from gst.kinds import Estimate
from gst.progress import clock
from gst.recipe.spec import Recipe
from gst.runtime import Runtime

_SAYS = {
    "cached": "in the store",
    "run": "to run",
    "resume": "goes on",
    "always": "every time",
    "skipped": "not asked for",
}


def lines(recipe: Recipe, folder: Path, store: Path, runtime: Runtime, plan: Sequence[Planned]) -> Iterator[str]:
    """The plan: where, on what, each step with its state and needs, and the sum."""
    for warning in recipe.warnings:
        yield f"warning: {warning}"
    about = runtime.describe()
    yield f"{recipe.title or recipe.name}  ->  {folder}  (store: {store})"
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
