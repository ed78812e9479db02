"""Step `evaluate`: scores pictures with metrics, beside floor, ceiling and the real frames."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar

import gst
from gst.artifacts import Pictures, Table
from gst.evaluation.bootstrap import intervals
from gst.evaluation.collect import REAL, SHUFFLED, check_pictures, collect
from gst.evaluation.resamples import Resamples, draws_hash
from gst.evaluation.rows import Bounds, build_rows
from gst.kinds import Estimate, Metric, Step, StorySet
from gst.training.source import cached

if TYPE_CHECKING:
    from gst.context import StepContext

# Constant, so that floors and resamples are the same whatever seed a model was trained with.
_SEED = 0


class Evaluate(Step):
    """Measures pictures against the split they were drawn for.

    Every number is given for each source of pictures, for the real frames ("real"), and, where a metric's floor is
    "shuffled", for the real frames of another story of the split. It comes with a 95 % bootstrap interval over stories,
    its floor and ceiling where they mean something, how far it is on the way between them, and a signature of all that
    decides it. Frames that were given to what drew any of the pictures are scored of none. The numbers on the resampled
    stories stay with the table, so that `gst compare` can pair evaluations of the same stories.

    Args:
        data: the split.
        pictures: what was drawn for its first stories, by name, the model's first.
        metrics: what to measure.
        ceiling: which of the pictures are the tokenizer's reconstructions, beyond which no prior on it can get.
        floor_unigram: which of the pictures are drawn from the frequencies of tokens alone (step `unigram`), the floor
            of metrics on distributions.
        bootstrap: resamples of stories for an interval; 0 for none. A metric may ask for fewer.
        batch_size: stories in memory at a time.
    """

    outputs: ClassVar[dict[str, type]] = {"table": Table}
    neutral: ClassVar[tuple[str, ...]] = ("batch_size",)

    def __init__(
        self,
        *,
        data: StorySet,
        pictures: dict[str, Pictures],
        metrics: list[Metric],
        ceiling: str | None = None,
        floor_unigram: str | None = None,
        bootstrap: int = 1000,
        batch_size: int = 20,
    ) -> None:
        if not pictures or not metrics:
            raise ValueError("there is nothing to measure: pictures and metrics must not be empty")
        for taken in {REAL, SHUFFLED} & set(pictures):
            raise ValueError(f"pictures: the name '{taken}' is taken, for the frames of the data itself")
        for option, name in (("ceiling", ceiling), ("floor_unigram", floor_unigram)):
            if name is not None and name not in pictures:
                raise ValueError(f"{option}: there are no pictures '{name}'; there are {', '.join(pictures)}")
        if bootstrap < 0 or batch_size < 1:
            raise ValueError("bootstrap must be 0 or more, batch_size 1 or more")
        twice = [name for name, n in Counter(name for m in metrics for name in m.directions).items() if n > 1]
        if twice:
            raise ValueError(f"two metrics both give '{twice[0]}'; measure them in two steps")
        self.data, self.pictures, self.metrics = data, pictures, metrics
        self.bounds = Bounds(ceiling, floor_unigram)
        self.bootstrap, self.batch_size = bootstrap, batch_size

    def run(self, context: StepContext) -> dict[str, Any]:
        """Measure. Logs the numbers of the first pictures."""
        total = check_pictures(self.pictures, self.data)
        with context.progress.task(f"{context.name}: scoring stories", total) as task:
            meters, frames = collect(
                cached(self.data),
                self.pictures,
                self.metrics,
                total=total,
                batch_size=self.batch_size,
                seed=_SEED,
                device=context.runtime.device,
                advance=task.advance,
            )
        about = {
            "data": f"{self.data.dataset.use} '{self.data.name}'",
            "data_hash": self.data.fingerprint(),
            "stories": total,
            "frames": frames,
            "gst": gst.__version__,
        }
        given = [name for name, drawn in self.pictures.items() if drawn.drawn is not None]
        if given:
            about["not_scored"] = f"frames given to {', '.join(given)}"
        sources = {
            REAL: "the real frames",
            SHUFFLED: f"the real frames of another story (seed {_SEED})",
            **{name: {"name": name, **drawn.about} for name, drawn in self.pictures.items()},
        }
        numbers = sum(metric is not None for row in meters.values() for metric in row)
        with context.progress.task(f"{context.name}: intervals", numbers) as task:
            rows, drawn = build_rows(
                meters,
                self.bounds,
                stories=total,
                resamples=self.bootstrap,
                seed=_SEED,
                about=about,
                sources=sources,
                advance=task.advance,
            )
        first = next(iter(self.pictures))
        context.tracker.log(0, {row["metric"]: row["value"] for row in rows if row["of"] == first})
        kept = Resamples(
            tuple(self.pictures[first].ids),
            draws_hash(total, _SEED),
            {key: values for key, values in drawn.items() if key[0] in self.pictures},
        )
        about = {**about, "ceiling": self.bounds.ceiling, "unigram": self.bounds.unigram}
        return {"table": Table(rows, about, kept)}

    def probe(self, context: StepContext) -> Estimate:
        """Time for a few stories, and for one resample of each metric, scaled up to the split."""
        few = min(self.batch_size, *(len(drawn) for drawn in self.pictures.values()))
        started = time.monotonic()
        meters, _ = collect(
            self.data,
            {name: _first(drawn, few) for name, drawn in self.pictures.items()},
            self.metrics,
            total=few,
            batch_size=few,
            seed=_SEED,
            device=context.runtime.device,
            advance=lambda _: None,
        )
        seconds = (time.monotonic() - started) / few * len(self.data)
        for metric in (m for row in meters.values() for m in row if m is not None):
            count = self.bootstrap if metric.bootstrap is None else min(self.bootstrap, metric.bootstrap)
            started = time.monotonic()
            intervals(metric, few, 1, _SEED)
            seconds += (time.monotonic() - started) * count
        return Estimate(seconds=seconds)


def _first(drawn: Pictures, count: int) -> Pictures:
    mask = None if drawn.drawn is None else drawn.drawn[:count]
    return Pictures(drawn.ids[:count], drawn.captions[:count], drawn.frames[:count], drawn.source, drawn.about, mask)
