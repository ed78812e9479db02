import os
import time
from pathlib import Path
from typing import ClassVar

import torch

from gst.artifacts import File, Table
from gst.cast import Cast
from gst.errors import TrainingError
from gst.kinds import Dataset, Estimate, Prior, Sampler, Step, StorySet, TextEncoder, Tokenizer, Trainable
from gst.recipe import Blueprint


class ToyTrain(Step):
    """Draws the number from the seed.

    Args:
        model: what to train.
        data: a split, or a trained tokenizer's latents are taken.
        tokenizer: trained; gives the latents.
        text: fitted.
        steps: numbers to draw.
        note: changes nothing.
    """

    outputs: ClassVar = {"model": Trainable}
    neutral = ("note",)

    def __init__(
        self,
        *,
        model: Trainable,
        data: StorySet,
        tokenizer: Tokenizer | None = None,
        text: TextEncoder | None = None,
        steps: int = 1,
        note: str = "",
    ) -> None:
        self.model, self.data, self.tokenizer, self.steps = model, data, tokenizer, steps

    def _built(self):
        if not isinstance(self.model, Blueprint):
            return self.model
        known = {} if self.tokenizer is None else {"latents": self.tokenizer.spec}
        return self.model.build(cast=Cast(()), **known)

    def run(self, context):
        model = self._built()
        generator = torch.Generator().manual_seed(context.seed)
        for i in range(self.steps):
            with torch.no_grad():
                model.number.add_(torch.randn((), generator=generator))
            context.tracker.log(i + 1, {"loss": model.number.item()})
        context.refresh()
        return {"model": model}

    def probe(self, context):
        self._built()
        return Estimate(60.0 * self.steps, 2**20, 2**10)

    def stand_in(self, context):
        return {"model": self._built()}


class ToyFit(Step):
    """Fits a text component.

    Args:
        text: what to fit.
        data: on what.
    """

    outputs: ClassVar = {"text": TextEncoder}

    def __init__(self, *, text: TextEncoder, data: StorySet) -> None:
        self.text, self.data = text, data

    def run(self, context):
        text = self.text.build()
        text.fit(caption for i in range(len(self.data)) for caption in self.data.captions(i))
        return {"text": text}


class ToyCount(Step):
    """Counts stories.

    Args:
        data: a whole data set.
        split: one split.
        factor: times this.
    """

    outputs: ClassVar = {"table": Table}

    def __init__(self, *, data: Dataset | None = None, split: StorySet | None = None, factor: float = 1.0) -> None:
        self.data, self.split, self.factor = data, split, factor

    def run(self, context):
        if log := os.environ.get("GST_TOYS_LOG"):
            with Path(log).open("a") as file:
                file.write(f"{context.name}\n")
        count = len(self.split if self.split is not None else self.data.split("train"))
        return {"table": Table([{"metric": "count", "of": context.name, "value": count * self.factor}])}


class ToyDraw(Step):
    """A row about prior, sampler and data.

    Args:
        prior: trained.
        sampler: draws.
        data: for what.
    """

    outputs: ClassVar = {"table": Table}

    def __init__(self, *, prior: Prior, sampler: Sampler, data: StorySet) -> None:
        self.prior, self.sampler, self.data = prior, sampler, data

    def run(self, context):
        value = self.prior.number.item() * self.sampler.steps
        return {"table": Table([{"metric": "drawn", "of": context.name, "value": value}])}

    def probe(self, context):
        return Estimate(float(self.sampler.steps), 2**20, 2**10)


class ToyJoin(Step):
    """Adds up tables.

    Args:
        tables: named tables.
        more: a list of them.
    """

    outputs: ClassVar = {"table": Table}

    def __init__(self, *, tables: dict[str, Table], more: list[Table] = []) -> None:  # noqa: B006
        self.tables, self.more = tables, more

    def run(self, context):
        total = sum(row["value"] for table in (*self.tables.values(), *self.more) for row in table.rows)
        return {"table": Table([{"metric": "sum", "of": context.name, "value": total}])}


class ToySlow(Step):
    """Works in small parts, each kept.

    Args:
        parts: how many.
        seconds: each takes.
        gate: a file that must be there before the third part.
    """

    outputs: ClassVar = {"table": Table}

    def __init__(self, *, parts: int = 3, seconds: float = 0.2, gate: str = "") -> None:
        self.parts, self.seconds, self.gate = parts, seconds, gate

    def run(self, context):
        begun = len(list(context.work.glob("part-*")))
        for part in range(begun, self.parts):
            time.sleep(self.seconds)
            while part == 2 and self.gate and not Path(self.gate).exists():
                time.sleep(0.02)
            (context.work / f"part-{part}").write_text("done")
            context.tracker.log(part, {"part": part})
        return {"table": Table([{"metric": "parts", "of": context.name, "value": self.parts}], {"begun": begun})}


class ToyFail(Step):
    """Fails as it is told.

    Args:
        how: "error", "bug", "full", "wrong".
        after: a table to wait for.
    """

    outputs: ClassVar = {"table": Table}

    def __init__(self, *, how: str = "error", after: Table | None = None) -> None:
        self.how = how

    def run(self, context):
        if self.how == "error":
            raise TrainingError("the loss is not a number", hint="Use a smaller lr.")
        if self.how == "bug":
            raise ZeroDivisionError("by zero")
        if self.how == "full":
            raise OSError(28, "No space left on device", str(context.work / "x"))
        return {"tables": Table([])}


class ToyPage(Step):
    """Writes index.html every time.

    Args:
        text: to show.
    """

    outputs: ClassVar = {"page": File}
    cached = False

    def __init__(self, *, text: str = "") -> None:
        self.text = text

    def refresh(self, context):
        names = ",".join(f"{name}={len(ports)}" for name, ports in context.results.items())
        with (context.run_dir / "refreshed.txt").open("a") as file:
            file.write(f"{names}\n")
        (context.run_dir / "index.html").write_text(f"{self.text}{names}")

    def run(self, context):
        self.refresh(context)
        return {"page": File(context.run_dir / "index.html")}
