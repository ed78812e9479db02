"""What a step knows about the run it is part of, and what is planned for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from gst.graph import Graph
from gst.kinds import Estimate
from gst.progress import Progress
from gst.runtime import Runtime
from gst.tracking import Tracking

State = Literal["cached", "run", "resume", "always", "skipped"]


@dataclass(frozen=True)
class StepContext:
    """What a step is given when it runs.

    Args:
        name: the step's name in the recipe.
        seed: its seed.
        work: its own scratch folder, which survives kills and is removed when the step is finished; for checkpoints.
        run_dir: the run's folder.
        runtime: device and precision.
        tracker: where scalars and pictures go.
        progress: for bars, and for lines to the user.
        smoke: whether this is a run with `--smoke`. Outputs must depend on options only, never on this.
        results: outputs of the steps that are finished: name -> port -> artifact, loaded when asked for.
        graph: the steps.
        refresh: renews the report; a step calls it when there is something new to show.
        states: what became of every step so far: "cached", "run", "waiting", "running", ...
    """

    name: str
    seed: int
    work: Path
    run_dir: Path
    runtime: Runtime
    tracker: Tracking
    progress: Progress
    smoke: bool
    results: Mapping[str, Mapping[str, Any]]
    graph: Graph
    refresh: Callable[[], None] = field(default=lambda: None)
    states: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Planned:
    """What will be done about one step.

    Args:
        name: the step.
        use: its component.
        state: "cached": it is in the store; "run": it will run; "resume": it will go on where it was interrupted;
            "always": it is cheap and runs every time; "skipped": it was not asked for.
        estimate: what it will need, where that is known.
        forced: whether it runs even if it is in the store.
    """

    name: str
    use: str
    state: State
    estimate: Estimate | None = None
    forced: bool = False
