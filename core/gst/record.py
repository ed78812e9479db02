"""What a run writes about itself into its folder, at its begin and after every step."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gst.disk import writing
from gst.lockfile import lock
from gst.rundir import STATE, recipe_hash, resolved_yaml
from gst.tracking import METRICS, read_lines

if TYPE_CHECKING:
    from gst.execution import Run

FORMAT = 1


def begin(run: Run) -> None:
    """Write the resolved recipe and the lock file, and tell the store who uses it."""
    run.folder.write_text("recipe.yaml", resolved_yaml(run.recipe))
    splits = {
        str(edge.ref): run.maker.value(edge.ref).fingerprint()
        for name in run.graph.order
        for edge in run.graph.edges(name)
        if edge.ref.to == "split"
    }
    run.folder.write("lock.json", lock(run.recipe, run.runtime, run.fingerprints, splits))
    run.store.register(run.dir)
    save(run, "running")


def save(run: Run, status: str) -> None:
    """Write run.json, outputs.json and metrics.json.

    Args:
        run: the run.
        status: "running", "finished", "failed" or "interrupted".
    """
    state = {
        "format": FORMAT,
        "recipe": run.recipe.name,
        "title": run.recipe.title,
        "recipe_hash": recipe_hash(run.recipe),
        "source": None if run.recipe.path is None else str(run.recipe.path),
        "smoke": run.recipe.smoke,
        "status": status,
        "started": run.started,
        "updated": now(),
        "store": str(run.store.root),
        "output": None if run.recipe.output is None else str(run.recipe.output).lstrip("$"),
        "steps": {
            name: {"fingerprint": run.fingerprints[name], "state": state, "seconds": _took(run, name)}
            for name, state in run.states.items()
        },
    }
    run.folder.write(STATE, state)
    places = {
        f"{step}.{port}": {
            "fingerprint": run.fingerprints[step],
            "path": str(run.store.folder(run.fingerprints[step]) / port),
        }
        for step in run.shelf.finished
        if step not in run.shelf.kept
        for port in run.shelf.ports(step)
    }
    run.folder.write("outputs.json", places)
    run.folder.write("metrics.json", run.metrics)


def bring_history(run: Run, name: str, history: Path) -> None:
    """Add the scalars that a step logged when it ran, perhaps for another run, to this run's metrics.jsonl."""
    here = read_lines(run.dir / METRICS)
    if history.exists() and not any(line["step"] == name for line in here):
        lines = [line for line in history.read_text(encoding="utf-8").splitlines() if '"path"' not in line]
        with writing(run.dir), (run.dir / METRICS).open("a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)


def now() -> str:
    """The time, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _took(run: Run, name: str) -> float | None:
    if name in run.seconds:
        return round(run.seconds[name], 3)
    entry = run.store.find(run.fingerprints[name]) if run.states[name] == "cached" else None
    return None if entry is None else entry.info.get("seconds")
