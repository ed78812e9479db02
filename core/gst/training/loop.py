"""The one training loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from gst.batch import StoryBatch
from gst.checkpoint import Checkpoint, Checkpoints
from gst.errors import CheckpointError, TrainingError
from gst.kinds.trainable import Phase, Trainable
from gst.nn.ema import EMA
from gst.training.interrupt import Interrupt
from gst.training.optimizers import PhaseOptimizer
from gst.training.randomness import isolated, load_random, random_state
from gst.training.schedules import factor
from gst.training.settings import Settings
from gst.training.source import StorySource
from gst.training.window import Window

if TYPE_CHECKING:
    from gst.context import StepContext

Scalars = Mapping[str, Tensor | float]


def train(
    model: Trainable,
    source: StorySource,
    settings: Settings,
    context: StepContext,
    *,
    validate: Callable[[torch.Generator], Scalars] | None = None,
    show: Callable[[int], None] | None = None,
) -> None:
    """Train `model` in place; afterwards it is in eval mode, with the averaged weights if `settings.ema`.

    Goes on from the newest whole checkpoint in `context.work`. Killed at any moment and called again with the same
    arguments, it ends in the same bits (same machine, versions and threads).

    Args:
        model: freshly built, or trained before.
        source: gives the batch of every step.
        settings: how.
        context: seed, folder for checkpoints, runtime, tracker, progress.
        validate: scalars of the model on other data, given a generator with a fixed seed; the model is in eval mode,
            with averaged weights if there are any.
        show: called after every tenth of the training with the number of steps done, in the same state; for pictures.

    Raises:
        TrainingError: a loss or a gradient is not a number.
        StoreError: a checkpoint could not be written.
    """
    run = Training(model, source, settings, context)
    run.resume()
    with Interrupt() as interrupt, context.progress.task(f"train {context.name}", settings.steps) as task:
        task.skip(run.done)
        while run.done < settings.steps:
            run.step()
            if settings.val_every and run.done % settings.val_every == 0 and run.done < settings.steps and validate:
                run.validate(validate)
            if show is not None and run.done * 10 // settings.steps > (run.done - 1) * 10 // settings.steps:
                with run.finished(), isolated(context.runtime, context.seed):
                    show(run.done)
            task.advance(note=run.note)
            if interrupt.received is not None or run.checkpoint_is_due():
                run.save()
            if interrupt.received is not None:
                interrupt.deliver()
    if validate is not None:
        run.validate(validate)
    run.finish()


class Training:
    """The state of one training: model, optimizers, averages, random numbers, position. `train` drives it."""

    def __init__(self, model: Trainable, source: StorySource, settings: Settings, context: StepContext) -> None:
        self.model, self.source, self.settings, self.context = model, source, settings, context
        self.runtime = context.runtime
        model.to(self.runtime.device).train()
        self.phases: Sequence[Phase] = model.phases()
        trained = {id(p) for phase in self.phases for p in phase.parameters}
        self.weights: dict[str, nn.Parameter] = {n: p for n, p in model.named_parameters() if id(p) in trained}
        if len(self.weights) != len(trained):
            raise TrainingError(f"a phase of {model.kind} '{model.use}' names parameters that are not the model's own")
        self._wants_grad = {id(p): p.requires_grad for p in model.parameters()}
        bf16 = self.runtime.precision == "bf16"
        self.optimizers = {p.name: PhaseOptimizer(model, p, settings, bf16=bf16) for p in self.phases}
        self.ema = EMA(self.weights, settings.ema) if settings.ema else None
        self.generator = torch.Generator(self.runtime.device).manual_seed(context.seed)
        self.checkpoints = Checkpoints(context.work, context.progress.say)
        self.done = 0
        self.window = Window()
        self.note = ""
        self._unchecked: list[tuple[str, Tensor]] = []
        self._batches: dict[tuple[str, int], StoryBatch] = {}
        self._saved_at, self._saving_took = time.monotonic(), 0.0

    def step(self) -> None:
        step, settings = self.done, self.settings
        scale = factor(settings.schedule, step, settings.steps, settings.warmup, settings.lr_end)
        self._batches.clear()
        for phase in self.phases:
            if step >= phase.start:
                self._freeze_all_but(phase)
                self.optimizers[phase.name].scale(scale)
                for _ in range(phase.updates):
                    self._update(phase)
        if self.ema is not None:
            self.ema.update()
        self.window.add(self.model.after_step(step, self.generator))
        self.window.examples += self.source.batch_size
        self.done = step + 1
        if self.done % settings.log_every == 0 or self.done == settings.steps:
            self._log(settings.lr * scale)

    def _update(self, phase: Phase) -> None:
        optimizer, parts = self.optimizers[phase.name], self.settings.accumulate
        optimizer.zero_grad()
        for part in range(parts):
            with self.runtime.autocast():
                scalars = self.model.loss(self._batch(phase.stream, part), phase.name, self.done, self.generator)
            self._expect_finite(f"the loss of phase '{phase.name}'", scalars["loss"])
            self.runtime.backward(scalars["loss"] / parts)
            self.window.add(self._named(phase, scalars))
        norm = self.runtime.clip(optimizer.parameters, self.settings.clip)
        self._expect_finite(f"the gradient of phase '{phase.name}'", norm)
        self.window.add(self._named(phase, {"grad_norm": norm}))
        optimizer.step()

    def _batch(self, stream: str, part: int) -> StoryBatch:
        key = (stream, part)
        if key not in self._batches:
            batch = self.source.batch(self.done, stream, part, self.settings.accumulate)
            self._batches[key] = batch.to(self.runtime.device)
        return self._batches[key]

    def _freeze_all_but(self, phase: Phase) -> None:
        mine = {id(p) for p in phase.parameters}
        for parameter in self.weights.values():
            parameter.requires_grad_(id(parameter) in mine)

    def _named(self, phase: Phase, scalars: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return dict(scalars) if len(self.phases) == 1 else {f"{phase.name}/{k}": v for k, v in scalars.items()}

    def _expect_finite(self, what: str, value: Tensor) -> None:
        """Look at once where that costs nothing; an accelerator is asked when it is waited for anyhow."""
        self._unchecked.append((f"{what} at step {self.done}", value.detach()))
        if self.runtime.device.type == "cpu":
            self._check_finite()

    def _check_finite(self) -> None:
        pending, self._unchecked = self._unchecked, []
        if not pending or bool(torch.isfinite(torch.stack([value.float() for _, value in pending])).all()):
            return
        what, value = next((what, value) for what, value in pending if not torch.isfinite(value))
        last = self.checkpoints.paths()
        raise TrainingError(
            f"training of '{self.context.name}': {what} is {float(value)} (lr {self.settings.lr:g})",
            hint=f"Lower lr, lengthen warmup, lower clip, or set the precision to fp32. Nothing before is lost: "
            f"{f'the last good checkpoint is {last[-1]}' if last else 'there was no checkpoint of this step yet'}.",
        )

    def _log(self, lr: float) -> None:
        self._check_finite()
        means = self.window.mean()
        self.context.tracker.log(self.done, {**means, "lr": lr})
        losses = [f"{name} {value:.4g}" for name, value in means.items() if name.split("/")[-1] == "loss"]
        self.note = "  ".join(losses)
        self.window = Window()

    # Besides the steps

    @contextmanager
    def finished(self) -> Iterator[None]:
        """Within it the model is as it would be if training ended here."""
        self.model.eval()
        try:
            with torch.no_grad():
                if self.ema is None:
                    yield
                else:
                    with self.ema.applied():
                        yield
        finally:
            self.model.train()

    def validate(self, validate: Callable[[torch.Generator], Scalars]) -> None:
        generator = torch.Generator(self.runtime.device).manual_seed(self.context.seed)
        with self.finished(), isolated(self.runtime, self.context.seed), self.runtime.autocast():
            scalars = validate(generator)
        self.context.tracker.log(self.done, {f"val/{name}": float(value) for name, value in scalars.items()})

    def finish(self) -> None:
        if self.ema is not None:
            self.ema.copy_to_model()
        self._restore_grad()
        self.model.eval()

    def _restore_grad(self) -> None:
        for parameter in self.model.parameters():
            parameter.requires_grad_(self._wants_grad[id(parameter)])
            parameter.grad = None

    # Checkpoints

    def checkpoint_is_due(self) -> bool:
        """Saving takes at most a twentieth of the time, however large the model is (unless minutes is 0)."""
        minutes = self.settings.checkpoint_minutes
        wait = max(minutes * 60.0, 20.0 * self._saving_took) if minutes else 0.0
        return self.done < self.settings.steps and time.monotonic() - self._saved_at >= wait

    def save(self) -> None:
        self._check_finite()
        started = time.monotonic()
        tensors = {"model": {**self.weights, **self._buffers()}, "random": random_state(self.runtime, self.generator)}
        for name, optimizer in self.optimizers.items():
            tensors[f"optimizer.{name}"] = optimizer.state()
        state: dict[str, Any] = {"window": self.window.state(), "phases": list(self.optimizers)}
        if self.ema is not None:
            tensors["ema"] = self.ema.average
            state["ema_updates"] = self.ema.updates
        self.checkpoints.save(Checkpoint(self.done, tensors, state))
        self._saved_at = time.monotonic()
        self._saving_took = self._saved_at - started

    def resume(self) -> None:
        """Take up the newest whole checkpoint, if there is one."""
        found = self.checkpoints.latest()
        if found is not None:
            try:
                self._load(found)
            except (KeyError, RuntimeError, CheckpointError) as error:
                raise CheckpointError(
                    f"the checkpoints in {self.context.work} are not of this training: {error}",
                    hint="They were written by another version of the model's code. Delete that folder to start anew.",
                ) from error
            self.context.progress.say(f"train {self.context.name}: goes on from step {self.done}")
        self.context.tracker.rewind(self.done)

    @torch.no_grad()
    def _load(self, found: Checkpoint) -> None:
        saved = found.tensors["model"]
        for name, tensor in {**self.weights, **self._buffers()}.items():
            tensor.copy_(saved[name])
        for name, optimizer in self.optimizers.items():
            optimizer.load({k: v.to(self.runtime.device) for k, v in found.tensors[f"optimizer.{name}"].items()})
        if self.ema is not None:
            for name, tensor in self.ema.average.items():
                tensor.copy_(found.tensors["ema"][name])
            self.ema.updates = found.state["ema_updates"]
        self.window = Window.of(found.state["window"])
        self.done = found.step
        load_random(self.runtime, self.generator, found.tensors["random"])

    def _buffers(self) -> dict[str, Tensor]:
        kept = self.model.state_dict(keep_vars=True)
        return {name: buffer for name, buffer in self.model.named_buffers() if name in kept}
