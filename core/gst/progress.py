"""Progress on stderr: bars with rate and time left on a terminal, a plain line now and then elsewhere.

A task that is over within two seconds shows nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn
from rich.progress import Progress as RichProgress
from rich.text import Text

SHOW_AFTER = 2.0
LINE_EVERY = 10.0


class Task:
    """One thing under way; made by `Progress.task`."""

    def __init__(self, owner: Progress, description: str, total: int) -> None:
        self.description, self.total, self.done, self.note = description, total, 0, ""
        self.started = time.monotonic()
        self._done_before = 0
        self._owner, self._line_at = owner, self.started
        self._bar: TaskID | None = None

    def advance(self, n: int = 1, note: str | None = None) -> None:
        """`n` more of `total` are done. `note` is shown behind the numbers (such as the loss)."""
        self.done += n
        self.note = self.note if note is None else note
        now = time.monotonic()
        if now - self.started < SHOW_AFTER:
            return
        if self._owner.bars is not None:
            self._show_bar(self._owner.bars)
        elif now - max(self._line_at, self.started) >= LINE_EVERY:
            self._line_at = now
            self._owner.say(self.line())

    def skip(self, n: int) -> None:
        """`n` were done before, by a run that was interrupted: they count as done, not for the rate."""
        self.done += n
        self._done_before += n

    @property
    def rate(self) -> float:
        """Items a second so far."""
        return (self.done - self._done_before) / max(time.monotonic() - self.started, 1e-9)

    @property
    def left(self) -> float:
        """Seconds to the end at this rate."""
        return (self.total - self.done) / self.rate if self.rate > 0 else 0.0

    def line(self) -> str:
        """The state in one line."""
        note = f"  {self.note}" if self.note else ""
        return f"{self.description}  {self.done}/{self.total}  {self.rate:.3g}/s  {clock(self.left)} left{note}"

    def _show_bar(self, bars: RichProgress) -> None:
        if self._bar is None:
            if not bars.live.is_started:
                bars.start()
            self._bar = bars.add_task(self.description, total=self.total, **self._fields())
        bars.update(self._bar, completed=self.done, **self._fields())

    def _fields(self) -> dict[str, Any]:
        return {"rate": f"{self.rate:.3g}/s", "left": clock(self.left), "note": self.note}

    def close(self) -> None:
        """Take the bar away, or say in a line how long it took."""
        if self._bar is not None and self._owner.bars is not None:
            self._owner.bars.remove_task(self._bar)
            if not self._owner.bars.tasks:
                self._owner.bars.stop()
        seconds = time.monotonic() - self.started
        if seconds >= SHOW_AFTER and self.done >= self.total:
            self._owner.say(f"{self.description}  {self.done}/{self.total}  took {clock(seconds)}")


class Progress:
    """All tasks of a run, and lines that must not break their bars.

    Args:
        stream: where it goes; stderr by default, since stdout is for results.
        quiet: show nothing at all.
    """

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self.console = Console(file=stream or sys.stderr, highlight=False, soft_wrap=True)
        self.bars: RichProgress | None = None
        if self.console.is_terminal and not quiet:
            self.bars = RichProgress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}  {task.fields[left]} left  {task.fields[note]}", markup=False),
                console=self.console,
                transient=True,
            )

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Task]:
        """A task of `total` items, closed at the end of the `with` block, also by an error."""
        task = Task(self, description, total)
        try:
            yield task
        finally:
            task.close()

    def say(self, line: str) -> None:
        """Print one line above the bars."""
        if not self.quiet:
            self.console.print(Text(line), markup=False)


def clock(seconds: float) -> str:
    """Seconds as people say them: "42 s", "3 min 20 s", "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
