"""What a run logs: scalars as lines of JSON in its folder, pictures beside them, and both to trackers of plugins."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gst.errors import PluginError
from gst.kinds.tracker import Tracker
from gst.plugins import hooks, registry

METRICS = "metrics.jsonl"
_log = logging.getLogger("gst")


class Tracking:
    """The log of one step of a run.

    A line of metrics.jsonl is {"step", "iteration", "time", "scalars"}; or for a picture {"step", "iteration", "time",
    "image", "path"}, its path relative to the run's folder.

    Args:
        run_dir: the run's folder.
        step: name of the step whose log this is.
        trackers: who else is told.
        history: a file of the step itself, beside its checkpoints, that gets every line too: a step that goes on in
            another run's folder brings its lines along.
    """

    def __init__(self, run_dir: Path, step: str, trackers: Sequence[Tracker] = (), history: Path | None = None) -> None:
        self.run_dir, self.step, self.history = run_dir, step, history
        self.trackers = list(trackers)

    def log(self, iteration: int, scalars: Mapping[str, float]) -> None:
        """Scalars after `iteration` updates (0 for steps that have none)."""
        values = {name: float(value) for name, value in scalars.items()}
        self._write(iteration, {"scalars": values})
        for tracker in list(self.trackers):
            self._tell(tracker, lambda t: t.log(self.step, iteration, values))

    def log_image(self, iteration: int, name: str, image: NDArray[np.uint8]) -> Path:
        """A picture, uint8 (H, W, 3). Returns where it was written, a PNG in the run's folder `images`."""
        path = self.run_dir / "images" / f"{self.step}-{iteration:08d}-{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
        self._write(iteration, {"image": name, "path": path.relative_to(self.run_dir).as_posix()})
        for tracker in list(self.trackers):
            self._tell(tracker, lambda t: t.log_image(self.step, iteration, name, path))
        return path

    def rewind(self, iteration: int) -> None:
        """Forget this step's lines after `iteration`: it goes on from there and will log them again."""
        lines = read_lines(self.run_dir / METRICS)
        mine = [line for line in lines if line["step"] == self.step]
        if self.history is not None:
            kept = [line for line in read_lines(self.history) if line["iteration"] <= iteration]
            here = {line["path"] for line in mine if "path" in line}
            mine = [line for line in kept if "path" not in line or line["path"] in here]
            _replace(self.history, kept)
        mine = [line for line in mine if line["iteration"] <= iteration]
        _replace(self.run_dir / METRICS, [line for line in lines if line["step"] != self.step] + mine)

    def _write(self, iteration: int, content: Mapping[str, Any]) -> None:
        line = {"step": self.step, "iteration": iteration, "time": round(time.time(), 3), **content}
        for path in (self.run_dir / METRICS, self.history):
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")

    def _tell(self, tracker: Tracker, say: Any) -> None:
        """A tracker that fails is left out from then on: what is computed must not be lost for it."""
        try:
            say(tracker)
        except Exception as error:
            _log.warning("tracker %s failed and is told nothing more: %s", tracker.use or type(tracker).__name__, error)
            self.trackers.remove(tracker)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """All whole lines of a metrics.jsonl; one that was cut short by a kill is left out."""
    if not path.exists():
        return []
    lines = []
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:
            continue
    return lines


def open_tracker(name: str, run: Any) -> Tracker:
    """A tracker by name: through the hook `gst_open_tracker`, or else a registered component with its defaults.

    Raises:
        PluginError: nobody knows the name.
    """
    opened: Tracker | None = hooks().gst_open_tracker(name=name, run=run)
    if opened is not None:
        return opened
    tracker = registry().create("tracker", name, {})
    if not isinstance(tracker, Tracker):
        raise PluginError(f"'{name}' is registered as a tracker and is none")
    return tracker


def _replace(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.tmp-{os.getpid()}")
    partial.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    os.replace(partial, path)
