"""Step `report`: the run on one page."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from gst.artifacts import File, Pictures, Table, Tokens
from gst.kinds import Step, StorySet
from gst.report import collect, render

if TYPE_CHECKING:
    from gst.context import StepContext

PAGE = "index.html"


class Report(Step):
    """Writes index.html into the run's folder, one file that needs nothing else.

    It is there from the first moment on (real stories), and is written again whenever a step is done or has drawn
    something new: an input that is not there yet is left out.

    Args:
        data: the split whose first stories are shown.
        pictures: what was drawn for them, by the label they are shown under; the model's own last.
        tables: tables of numbers, the most important first.
        tokens: tokens whose use of the codebook is shown.
        stories: how many stories are shown.
    """

    outputs: ClassVar[dict[str, type]] = {"report": File}
    cached: ClassVar[bool] = False

    def __init__(
        self,
        *,
        data: StorySet | None = None,
        pictures: dict[str, Pictures] | None = None,
        tables: list[Table] | None = None,
        tokens: Tokens | None = None,
        stories: int = 8,
    ) -> None:
        if stories < 1:
            raise ValueError(f"stories is {stories}; it must be at least 1")
        self.data, self.tokens, self.stories = data, tokens, stories
        self.pictures, self.tables = pictures or {}, tables or []

    def run(self, context: StepContext) -> dict[str, Any]:
        """Write the finished page."""
        return {"report": File(self._write(context, final=True))}

    def refresh(self, context: StepContext) -> None:
        """Write the page of a run that goes on."""
        self._write(context, final=False)

    def _write(self, context: StepContext, *, final: bool) -> Path:
        page = collect(
            context,
            final=final,
            data=self.data,
            pictures=self.pictures,
            tables=self.tables,
            tokens=self.tokens,
            stories=self.stories,
        )
        path = context.run_dir / PAGE
        partial = path.with_name(f".{PAGE}.{os.getpid()}.part")
        partial.write_text(render(page), encoding="utf-8")
        os.replace(partial, path)
        return path
