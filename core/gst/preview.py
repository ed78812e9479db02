"""What a model in training draws of two stories, kept in the run's folder for the report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from gst.batch import collate, to_uint8
from gst.errors import UsageError
from gst.kinds import Prior, Sampler, StorySet, Tokenizer, Trainable
from gst.pictures import Frames, column, strip
from gst.pipeline import StoryPipeline

if TYPE_CHECKING:
    from gst.run import StepContext

FOLDER = "previews"
STORIES = 2


@dataclass(frozen=True)
class Seen:
    """One look at one story.

    Args:
        step: name of the training step.
        iteration: updates done.
        total: updates in all.
        captions: T strings.
        real: uint8 (T, 3, H, W).
        drawn: uint8 (T, 3, H, W).
    """

    step: str
    iteration: int
    total: int
    captions: tuple[str, ...]
    real: Frames
    drawn: Frames


class Preview:
    """Draws the first two stories of a split with a model that is being trained: a tokenizer reconstructs them, a prior
    draws them from their captions.

    It uses no random number but those of (seed, story), so that training ends in the same bits with and without it.

    Args:
        model: the model in training.
        data: the split.
        tokenizer: decodes what a prior draws.
        sampler: draws from a prior.
        context: of the training step.
        total: updates in all.

    Raises:
        UsageError: the model is a prior, and tokenizer or sampler are missing or do not fit it.
    """

    def __init__(
        self,
        model: Trainable,
        data: StorySet,
        tokenizer: Tokenizer | None,
        sampler: Sampler | None,
        *,
        context: StepContext,
        total: int,
    ) -> None:
        self.model, self.context, self.total = model, context, total
        self.stories = [data[i] for i in range(min(STORIES, len(data)))]
        self.batch = collate(self.stories)
        self.pipe: StoryPipeline | None = None
        if isinstance(model, Prior):
            if tokenizer is None or sampler is None:
                raise UsageError(
                    f"step '{context.name}': a preview of a prior needs preview_tokenizer and preview_sampler",
                    hint="Give both, as the sample step has them, or leave preview out.",
                )
            self.pipe = StoryPipeline(tokenizer, model, sampler, runtime=context.runtime)
        elif not isinstance(model, Tokenizer):
            raise UsageError(f"step '{context.name}': a {model.kind} cannot draw a preview", hint="Leave preview out.")

    def __call__(self, iteration: int) -> None:
        """Draw and keep what the model draws after `iteration` updates, and renew the report.

        What goes wrong here (a young model may give anything) is said in one line: it is not worth a training.
        """
        try:
            drawn = self._draw().numpy()
        except Exception as error:
            self.context.progress.say(f"{self.context.name}: no preview after {iteration} steps: {error}")
            return
        folder = self.context.run_dir / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        for number, (story, frames) in enumerate(zip(self.stories, drawn, strict=True)):
            np.savez(
                folder / f"{self.context.name}-{number}-{iteration:08d}.npz",
                step=self.context.name,
                iteration=iteration,
                total=self.total,
                captions=np.array(story.captions),
                real=story.frames,
                drawn=frames[: len(story)],
            )
        rows = [strip(f, width=96) for s, d in zip(self.stories, drawn, strict=True) for f in (s.frames, d[: len(s)])]
        self.context.tracker.log_image(iteration, "preview", np.asarray(column(rows)))
        self.context.refresh()

    def _draw(self) -> Tensor:
        if self.pipe is not None:
            batch = self.batch
            condition = self.pipe.conditioner(batch.ids, batch.captions, batch.frame_mask, batch.characters)
            return self.pipe.draw(condition, self.context.seed)
        assert isinstance(self.model, Tokenizer)  # __init__ sees to it
        assert self.batch.frames is not None  # collate always gives frames
        runtime = self.context.runtime
        with torch.no_grad(), runtime.autocast():
            frames = self.model.decode(self.model.encode(self.batch.frames.to(runtime.device)))
        return to_uint8(frames).cpu()


def read_previews(run_dir: Path) -> Iterator[Seen]:
    """All looks that are kept in a run's folder, by step, story and time. A damaged file is left out."""
    for path in sorted((run_dir / FOLDER).glob("*.npz")):
        try:
            with np.load(path) as file:
                yield Seen(
                    str(file["step"]),
                    int(file["iteration"]),
                    int(file["total"]),
                    tuple(str(c) for c in file["captions"]),
                    file["real"],
                    file["drawn"],
                )
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            continue
