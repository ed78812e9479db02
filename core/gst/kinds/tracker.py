"""Trackers: where scalars and pictures go. JSONL is always on beside them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from gst.component import Component


class Tracker(Component):
    """Receives what a run logs."""

    kind: ClassVar[str] = "tracker"

    @abstractmethod
    def log(self, step: str, iteration: int, scalars: Mapping[str, float]) -> None:
        """Scalars of one iteration of the step named `step`."""

    def log_image(self, step: str, iteration: int, name: str, path: Path) -> None:
        """A picture that was written to `path`."""

    def close(self) -> None:
        """The run is over."""
