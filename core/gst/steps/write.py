"""Step `write`: other captions for the stories of a split."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from gst.artifacts import Captions
from gst.errors import WritingError
from gst.kinds import Original, Step, StorySet, Writer
from gst.signatures import describe
from gst.steps.chunks import count_stories

if TYPE_CHECKING:
    from gst.context import StepContext

_FEW_STORIES = 100
_SAID = 5


class Write(Step):
    """Lets a writer write other captions for the stories of a split, for `train` to draw from; no picture is read.

    Killed and run again, it goes on with what the writer kept. What it cost is logged and kept with the captions.

    Args:
        writer: who writes.
        data: the stories.
        stories: how many, from its start; all by default.
        on_failure: what happens when the writer fails on a story. "error": the step stops there; "keep": the story
            keeps its own captions, and is counted, listed and said.
    """

    outputs: ClassVar[dict[str, type]] = {"captions": Captions}

    def __init__(
        self,
        *,
        writer: Writer,
        data: StorySet,
        stories: int | None = None,
        on_failure: Literal["error", "keep"] = "error",
    ) -> None:
        self.writer, self.data, self.stories, self.on_failure = writer, data, stories, on_failure

    def run(self, context: StepContext) -> dict[str, Any]:
        """Write. Raises `WritingError` where that fails."""
        originals = self._originals(count_stories(self.data, self.stories))
        written: dict[str, list[str | None]] = {}
        failures: dict[str, str] = {}
        cost: dict[str, float] = {}
        results = self.writer.write(
            originals,
            cast=self.data.dataset.cast,
            seed=context.seed,
            work=context.work,
            device=context.runtime.device,
        )
        with context.progress.task(f"{context.name}: writing captions", len(originals)) as task:
            for original, result in zip(originals, results, strict=True):
                for name, value in result.cost.items():
                    cost[name] = cost.get(name, 0) + value
                if result.captions is None:
                    self._failed(context, original.id, result.failure, failures)
                else:
                    written[original.id] = list(result.captions)
                task.advance(note="  ".join(f"{name} {value:.6g}" for name, value in cost.items()))
        if len(failures) > _SAID:
            context.progress.say(f"{context.name}: {len(failures)} of {len(originals)} stories keep their own captions")
        context.tracker.rewind(-1)
        context.tracker.log(0, {"stories": len(written), "failures": len(failures), **cost})
        about = {"writer": describe(self.writer), "seed": context.seed, "cost": cost, "failures": failures}
        return {"captions": Captions(written, about)}

    def stand_in(self, context: StepContext) -> dict[str, Any]:
        """The captions of a few stories as they are."""
        few = self._originals(min(_FEW_STORIES, count_stories(self.data, self.stories)))
        return {"captions": Captions({story.id: list(story.captions) for story in few})}

    def _originals(self, stories: int) -> list[Original]:
        return [Original(self.data.id(i), tuple(self.data.captions(i))) for i in range(stories)]

    def _failed(self, context: StepContext, story: str, why: str, failures: dict[str, str]) -> None:
        if self.on_failure == "error":
            raise WritingError(
                f"writer '{self.writer.use}' failed on story {story!r}: {why}",
                hint="What was written before is kept: run it again to try once more. "
                "With on_failure: keep such a story keeps its own captions.",
            )
        failures[story] = why
        if len(failures) <= _SAID:
            context.progress.say(f"{context.name}: story {story} keeps its own captions: {why}")
