"""What reading a data set on disk found wrong, gathered so that one run tells everything."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from gst.errors import DataError
from gst.kinds import Finding

SHOWN = 5
KEPT = 100


class Findings:
    """A list of `Finding` that stops growing at `KEPT` errors: the thousandth corrupt picture says nothing new."""

    def __init__(self) -> None:
        self._items: list[Finding] = []
        self._errors = 0

    def error(self, message: str) -> None:
        """Something that makes the data set unusable."""
        self._errors += 1
        if self._errors <= KEPT:
            self._items.append(Finding("error", message))

    def warning(self, message: str) -> None:
        """Something odd."""
        self._items.append(Finding("warning", message))

    def info(self, message: str) -> None:
        """Something worth knowing."""
        self._items.append(Finding("info", message))

    @property
    def failed(self) -> bool:
        """Whether there is an error."""
        return self._errors > 0

    def list(self) -> list[Finding]:
        """Everything found: errors, then warnings, then the rest."""
        rank: dict[Literal["error", "warning", "info"], int] = {"error": 0, "warning": 1, "info": 2}
        items = sorted(self._items, key=lambda f: rank[f.level])
        if (more := self._errors - KEPT) > 0:
            items.insert(KEPT, Finding("error", f"and {more} more errors"))
        return items

    def stop(self, name: str, root: Path) -> None:
        """Raises `DataError` with the first errors, if there are any."""
        if not self._errors:
            return
        errors = [f.message for f in self._items if f.level == "error"]
        lines = [f"{name}: {root} cannot be used:", *(f"  {m}" for m in errors[:SHOWN])]
        if self._errors > SHOWN:
            lines.append(f"  and {self._errors - SHOWN} more")
        raise DataError("\n".join(lines), hint=f"Mend these; `gst data check {root}` lists everything it finds.")
