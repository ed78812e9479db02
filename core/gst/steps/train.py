"""Step `train`: trains anything trainable."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from gst.artifacts import Captions, Tokens
from gst.cast import Cast
from gst.conditioner import CharactersFrom, Conditioner, Resolve
from gst.errors import UsageError
from gst.kinds import Estimate, Prior, Sampler, Step, StorySet, TextEncoder, Tokenizer, Trainable
from gst.matching import check_given
from gst.preview import Preview
from gst.recipe.blueprint import Blueprint
from gst.training.alternatives import Alternatives
from gst.training.loop import Training, train
from gst.training.randomness import isolated
from gst.training.schedules import Schedule
from gst.training.settings import OptimizerName, Settings
from gst.training.source import StorySource, Unit
from gst.training.validation import Validation

if TYPE_CHECKING:
    from gst.context import StepContext

_BOUND = ("latents", "text", "cast", "frame_size")
_Share = Annotated[float, Field(ge=0, lt=1)]


class Train(Step):
    """Trains a tokenizer on frames, a prior on tokens, or anything else that is trainable.

    Killed and run again, it goes on from its last checkpoint and ends in the same bits. What the model must know of
    others (the latents of the tokens, the text component, the cast, the size of frames) comes from this step's inputs.

    Args:
        model: what to train; a trained one is trained further, and itself stays as it is.
        data: a split (frames and captions), or tokens.
        given: tokens of other stages for the same stories, by the name under which the model takes them: those of a
            coarser grid, `{low: $tokens_low.tokens}`, for super-resolution.
        text: the fitted text component, for models that are told captions.
        characters_from: where the model is told the characters from: the captions, the labels (the truth: oracle), or
            nowhere.
        resolve: "antecedent" follows pronouns in captions to whom the story named before.
        alternatives: captions that were written for these stories: in each frame and epoch one of the two is drawn, and
            who is told comes from those drawn. Validation, previews and drawing have the stories' own.
        alternative_rate: how often the alternative is drawn.
        steps: training steps.
        batch_size: stories (or frames, see `unit`) a step.
        unit: what an example is. "frame": single frames, drawn over all stories; better mixed for tokenizers.
        optimizer: "adamw", or "muon" (Jordan et al. 2024) for the matrices inside the network and AdamW for the rest.
        lr: learning rate of AdamW.
        lr_matrix: learning rate of Muon.
        warmup: steps over which the learning rates rise from 0.
        schedule: how they go down afterwards.
        lr_end: what is left of them at the end, as a factor.
        weight_decay: decoupled weight decay of parameters with two or more dimensions.
        betas: AdamW's averaging of gradients and of their squares.
        clip: greatest norm of a phase's gradient; 0 does not clip.
        accumulate: compute the batch in this many equal parts, to save memory.
        ema: decay of averaged weights, which are then the result; 0 keeps the last weights.
        log_every: steps between two lines of the log.
        checkpoint_minutes: minutes between two checkpoints, longer if saving takes long; 0 saves after every step.
        val: a split or tokens on which the loss is logged too.
        val_given: as `given`, for the stories of `val`.
        val_every: steps between two validations; 0 validates at the end only.
        preview: a split whose first stories are drawn at every tenth of the training, for the report.
        preview_tokenizer: draws what a prior gives.
        preview_sampler: draws from a prior.
        preview_given: as `given`, for the first two stories of `preview`.
    """

    outputs: ClassVar[dict[str, type]] = {"model": Trainable}
    neutral: ClassVar[tuple[str, ...]] = (
        "log_every",
        "checkpoint_minutes",
        "val",
        "val_given",
        "val_every",
        "preview",
        "preview_tokenizer",
        "preview_sampler",
        "preview_given",
    )

    def __init__(
        self,
        *,
        model: Trainable,
        data: StorySet | Tokens,
        given: dict[str, Tokens] = {},  # noqa: B006
        text: TextEncoder | None = None,
        characters_from: CharactersFrom = "captions",
        resolve: Resolve = "antecedent",
        alternatives: Captions | None = None,
        alternative_rate: Annotated[float, Field(ge=0, le=1)] = 0.5,
        steps: PositiveInt,
        batch_size: PositiveInt,
        unit: Unit = "story",
        optimizer: OptimizerName = "adamw",
        lr: PositiveFloat = 1e-3,
        lr_matrix: PositiveFloat = 0.02,
        warmup: NonNegativeInt = 0,
        schedule: Schedule = "cosine",
        lr_end: NonNegativeFloat = 0.0,
        weight_decay: NonNegativeFloat = 0.01,
        betas: tuple[_Share, _Share] = (0.9, 0.99),
        clip: NonNegativeFloat = 1.0,
        accumulate: PositiveInt = 1,
        ema: _Share = 0.0,
        log_every: PositiveInt = 50,
        checkpoint_minutes: NonNegativeFloat = 1.0,
        val: StorySet | Tokens | None = None,
        val_given: dict[str, Tokens] = {},  # noqa: B006
        val_every: NonNegativeInt = 0,
        preview: StorySet | None = None,
        preview_tokenizer: Tokenizer | None = None,
        preview_sampler: Sampler | None = None,
        preview_given: dict[str, Tokens] = {},  # noqa: B006
    ) -> None:
        if batch_size % accumulate:
            raise ValueError(f"batch_size {batch_size} is not a multiple of accumulate {accumulate}")
        if warmup > steps:
            raise ValueError(f"warmup {warmup} is longer than the training of {steps} steps")
        for taken in set(_BOUND) & set(given):
            raise ValueError(f"given: the name '{taken}' is taken, for what the model knows of its own data")
        self.model, self.data, self.text, self.val = model, data, text, val
        self.given, self.val_given, self.preview_given = given, val_given, preview_given
        self.characters_from, self.resolve = characters_from, resolve
        self.alternatives, self.alternative_rate = alternatives, alternative_rate
        self.batch_size, self.unit = batch_size, unit
        self.preview, self.preview_tokenizer, self.preview_sampler = preview, preview_tokenizer, preview_sampler
        self.settings = Settings(
            steps=steps,
            lr=lr,
            optimizer=optimizer,
            lr_matrix=lr_matrix,
            warmup=warmup,
            schedule=schedule,
            lr_end=lr_end,
            weight_decay=weight_decay,
            betas=betas,
            clip=clip,
            accumulate=accumulate,
            ema=ema,
            log_every=log_every,
            checkpoint_minutes=checkpoint_minutes,
            val_every=val_every,
        )

    def run(self, context: StepContext) -> dict[str, Any]:
        """Train it. Raises `TrainingError` where a loss is not a number, `StoreError` on a full disk."""
        with isolated(context.runtime, context.seed):
            model = self._build(context)
            alternatives = self._alternatives(context.seed)
            source = self._source(model, self.data, context.seed, self.given, alternatives=alternatives)
            validate = None if self.val is None else Validation(model, self._val_source(model, self.val))
            show = (
                None
                if self.preview is None
                else Preview(
                    model,
                    self.preview,
                    self.preview_tokenizer,
                    self.preview_sampler,
                    context=context,
                    total=self.settings.steps,
                    given=self.preview_given,
                )
            )
            train(model, source, self.settings, context, validate=validate, show=show)
        return {"model": model.cpu()}

    def probe(self, context: StepContext) -> Estimate:
        """Two training steps of a copy, on one batch; the second step counts."""
        with isolated(context.runtime, context.seed):
            model = self._build(context)
            alternatives = self._alternatives(context.seed)
            # Where these are stand-ins, they are of a few stories only.
            few = min([self.batch_size, *(len(tokens) for tokens in self.given.values())])
            source = self._source(model, self.data, context.seed, self.given, alternatives=alternatives, stories=few)
            training = Training(model, source, self.settings, context)
            times = [time.perf_counter()]
            for do in (lambda: source.batch(0), training.step, training.step):
                do()
                times.append(time.perf_counter())
        read, _, computed = (after - before for before, after in pairwise(times))
        steps = self.settings.steps
        # What is read once stays in memory, so that every story is read and encoded once.
        stories = min(len(self.data), steps * self.batch_size)
        weights = 4 * sum(p.numel() for p in training.weights.values())
        kept = weights * (3 if self.settings.ema == 0 else 4)
        return Estimate(
            seconds=computed * steps + read / self.batch_size * stories,
            memory=context.runtime.peak_memory(),
            disk=3 * kept + weights,
        )

    def stand_in(self, context: StepContext) -> dict[str, Any]:
        """The untrained model."""
        with isolated(context.runtime, context.seed):
            return {"model": self._build(context).eval()}

    def _build(self, context: StepContext) -> Trainable:
        # An untrained model comes as a blueprint, a trained one as itself.
        given: Trainable | Blueprint = self.model
        model = given.build(**self._bound()) if isinstance(given, Blueprint) else copy.deepcopy(given)
        if not isinstance(model, Trainable):
            raise UsageError(f"{model.kind} '{model.use}' cannot be trained")
        if self.text is not None:
            self.text.to(context.runtime.device)
        model.tell(Conditioner(self.text, self._cast, self.characters_from, self.resolve))
        if isinstance(model, Prior):
            check_given(model, self.given, complete=True)
        elif self.given and model.conditioner is None:
            raise UsageError(f"{model.kind} '{model.use}' is told nothing, so it can be given nothing")
        return model

    def _bound(self) -> dict[str, Any]:
        bound: dict[str, Any] = {name: tokens.spec for name, tokens in self.given.items()}
        bound |= {"text": None if self.text is None else self.text.spec, "cast": self._cast}
        if isinstance(self.data, Tokens):
            return {**bound, "latents": self.data.spec, "frame_size": self.data.spec.frame_size}
        return {**bound, "frame_size": self.data.dataset.frame_size}

    @property
    def _cast(self) -> Cast:
        return self.data.cast if isinstance(self.data, Tokens) else self.data.dataset.cast

    def _alternatives(self, seed: int) -> Alternatives | None:
        if self.alternatives is None:
            return None
        written, data = self.alternatives.stories, self.data
        names = data.ids if isinstance(data, Tokens) else [data.id(i) for i in range(len(data))]
        if written.keys().isdisjoint(names):
            raise UsageError(
                f"alternatives: {len(written)} stories, of which none is among the {len(names)} to train on",
                hint="They must have been written for the split that is trained on.",
            )
        return Alternatives(written, self.alternative_rate, seed)

    def _source(
        self,
        model: Trainable,
        data: StorySet | Tokens,
        seed: int,
        given: Mapping[str, Tokens],
        *,
        alternatives: Alternatives | None = None,
        stories: int | None = None,
    ) -> StorySource:
        return StorySource(
            data,
            batch_size=self.batch_size,
            seed=seed,
            unit=self.unit,
            conditioner=model.conditioner,
            stories=stories,
            alternatives=alternatives,
            given=given,
        )

    def _val_source(self, model: Trainable, data: StorySet | Tokens) -> StorySource:
        if isinstance(model, Prior):
            check_given(model, self.val_given, complete=True, option="val_given")
        return self._source(model, data, 0, self.val_given)
