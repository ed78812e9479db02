"""What a model in training draws of two stories, kept with its result and in the run's folder, for the report."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gst.artifacts import Tokens
from gst.batch import collate, to_uint8
from gst.errors import UsageError
from gst.kinds import Prior, Sampler, StorySet, Tokenizer, Trainable
from gst.matching import check_given
from gst.pictures import Frames, column, strip
from gst.pipeline import StoryPipeline
from gst.stages import StageTokens

if TYPE_CHECKING:
    from gst.context import StepContext

PREVIEWS = "previews.npz"
FOLDER = "previews"
STORIES = 2


@dataclass(frozen=True)
class Seen:
    """What a step drew of one story on its way.

    Args:
        step: name of the training step.
        captions: T strings.
        real: uint8 (T, 3, H, W).
        drawn: (updates done, share of all updates, uint8 (T, 3, H, W)), in order.
    """

    step: str
    captions: tuple[str, ...]
    real: Frames
    drawn: tuple[tuple[int, float, Frames], ...]


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
        given: other stages' tokens for these stories, for a prior that takes them.

    Raises:
        DataError: what is given is not of these stories.
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
        given: Mapping[str, Tokens] | None = None,
    ) -> None:
        self.model, self.context, self.total = model, context, total
        self.stories = [data[i] for i in range(min(STORIES, len(data)))]
        self.batch = collate(self.stories)
        told = [(story.id, story.captions) for story in self.stories]
        self.given = StageTokens(given or {}).of(told, self.batch.frame_mask.shape[1])
        self.pipe: StoryPipeline | None = None
        if isinstance(model, Prior):
            if tokenizer is None or sampler is None:
                raise UsageError(
                    f"step '{context.name}': a preview of a prior needs preview_tokenizer and preview_sampler",
                    hint="Give both, as the sample step has them, or leave preview out.",
                )
            check_given(model, self.given, complete=True, option="preview_given")
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
        self._keep(iteration, drawn)
        rows = [strip(f[: len(s)], width=96) for s, d in zip(self.stories, drawn, strict=True) for f in (s.frames, d)]
        self.context.tracker.log_image(iteration, "preview", np.asarray(column(rows)))
        self.context.refresh()

    def _draw(self) -> Tensor:
        if self.pipe is not None:
            batch = self.batch
            condition = self.pipe.conditioner(batch.ids, batch.captions, batch.frame_mask, batch.characters)
            return self.pipe.draw(replace(condition, given=self.given), self.context.seed)
        assert isinstance(self.model, Tokenizer)  # __init__ sees to it
        runtime = self.context.runtime
        with torch.no_grad(), runtime.autocast():
            frames = self.model.decode(self.model.encode_stories(self.batch.to(runtime.device)))
        return to_uint8(frames).cpu()

    def _keep(self, iteration: int, drawn: Frames) -> None:
        """Add to what was kept before; a training that went back to a checkpoint draws some of it again."""
        path = self.context.work / PREVIEWS
        before = _read(path)
        iterations, frames = ([], []) if before is None else (before["iterations"].tolist(), list(before["drawn"]))
        while iterations and iterations[-1] >= iteration:
            iterations.pop()
            frames.pop()
        real = to_uint8(self.batch.frames).numpy() if self.batch.frames is not None else drawn
        partial = path.with_suffix(".part")
        with partial.open("wb") as file:
            np.savez_compressed(
                file,
                iterations=np.array([*iterations, iteration]),
                total=np.array(self.total),
                captions=np.array(self.batch.captions),
                real=real,
                drawn=np.stack([*frames, drawn]),
            )
        os.replace(partial, path)
        bring_previews(path, self.context.run_dir, self.context.name)


def bring_previews(path: Path, run_dir: Path, step: str) -> None:
    """Show what is kept at `path` in a run's folder as that step's; nothing where there is nothing."""
    if path.is_file():
        folder = run_dir / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / f"{step}.npz")


def read_previews(run_dir: Path) -> Iterator[Seen]:
    """All that is kept in a run's folder, by step and story. A damaged file is left out."""
    for path in sorted((run_dir / FOLDER).glob("*.npz")):
        if (kept := _read(path)) is None:
            continue
        for number, padded in enumerate(kept["captions"]):
            captions = tuple(str(c) for c in padded if c)
            looks = zip(kept["iterations"].tolist(), kept["drawn"][:, number, : len(captions)], strict=True)
            drawn = tuple((done, done / max(1, int(kept["total"])), frames) for done, frames in looks)
            yield Seen(path.stem, captions, kept["real"][number, : len(captions)], drawn)


def _read(path: Path) -> dict[str, NDArray[Any]] | None:
    try:
        with np.load(path) as file:
            return {name: file[name] for name in ("iterations", "total", "captions", "real", "drawn")}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None
