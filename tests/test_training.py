"""The training loop: phases, accumulation, averaged weights, resuming, what it does when numbers go wrong."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gst.artifacts import Tokens
from gst.batch import StoryBatch
from gst.cast import Cast, Character
from gst.errors import CheckpointError, TrainingError
from gst.kinds import Phase, Trainable
from gst.latents import LatentSpec
from gst.tracking import read_lines
from gst.training import Settings, StorySource, train

VOCAB, SIDE, FRAMES = 5, 2, 3


class Guess(Trainable):
    """Predicts every token from the one before it; with dropout and noise, so that every generator matters."""

    kind = "prior"

    def __init__(self, dropout: float = 0.1) -> None:
        super().__init__()
        self.embed = nn.Embedding(VOCAB, 8)
        self.inner = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Dropout(dropout), nn.Linear(16, 8))
        self.head = nn.Linear(8, VOCAB)
        self.register_buffer("seen", torch.zeros(VOCAB))

    def loss(self, batch: StoryBatch, phase: str, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        ids = batch.latents["target"].data.flatten(1)
        if self.training:
            self.seen += torch.bincount(ids.flatten(), minlength=VOCAB)
        rows = self.embed(ids[:, :-1])
        rows = rows + 0.1 * torch.randn(rows.shape, generator=generator)
        logits = self.head(rows + self.inner(rows))
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        return {"loss": loss, "accuracy": (logits.argmax(-1) == ids[:, 1:]).float().mean()}

    def after_step(self, step: int, generator: torch.Generator) -> dict[str, float]:
        return {"seen": float(self.seen.sum())}


def tokens(count: int = 24) -> Tokens:
    """Stories that count upwards from a random start, so that there is something to learn."""
    rng = np.random.default_rng(0)
    length = FRAMES * SIDE * SIDE
    data = (rng.integers(0, VOCAB, (count, 1)) + np.arange(length)) % VOCAB
    return Tokens(
        spec=LatentSpec("ids", (SIDE, SIDE), vocab=VOCAB),
        ids=[f"s{i}" for i in range(count)],
        captions=[["a", "b", "c"]] * count,
        data=data.reshape(count, FRAMES, SIDE, SIDE).astype(np.uint8),
        characters=None,
        cast=Cast((Character("Bo"),)),
        source="",
    )


def source(batch_size: int = 8, seed: int = 0) -> StorySource:
    return StorySource(tokens(), batch_size=batch_size, seed=seed)


def made(seed: int = 0, **options: Any) -> Guess:
    torch.manual_seed(seed)
    return Guess(**options)


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


SETTINGS = Settings(steps=20, lr=1e-2, warmup=3, ema=0.9, log_every=5, val_every=7)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_loss_falls_and_is_logged(step_context: Callable[..., Any], optimizer: Any) -> None:
    context = step_context()
    model = made()
    train(model, source(), replace(SETTINGS, steps=60, optimizer=optimizer, ema=0.0), context)
    lines = read_lines(context.run_dir / "metrics.jsonl")
    losses = [line["scalars"]["loss"] for line in lines]
    assert [line["iteration"] for line in lines] == list(range(5, 61, 5))
    assert losses[-1] < 0.5 * losses[0]
    assert {"loss", "accuracy", "grad_norm", "lr", "examples_per_second", "seen"} <= set(lines[0]["scalars"])
    assert not model.training
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


def test_logged_loss_is_the_mean_since_the_last_line(step_context: Callable[..., Any]) -> None:
    every, fifth = step_context("every"), step_context("fifth")
    train(made(), source(), replace(SETTINGS, log_every=1), every)
    train(made(), source(), replace(SETTINGS, log_every=5), fifth)
    lines = read_lines(every.run_dir / "metrics.jsonl")
    single = [line["scalars"]["loss"] for line in lines if line["step"] == "every"]
    means = [line["scalars"]["loss"] for line in lines if line["step"] == "fifth"]
    np.testing.assert_allclose(means, np.reshape(single, (4, 5)).mean(1), rtol=1e-6)


class Two(Trainable):
    """Two phases that note what they could have changed and which batch they saw."""

    kind = "tokenizer"

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.frozen = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)
        self.calls: list[tuple[str, int, tuple[bool, bool, bool], tuple[str, ...]]] = []

    def phases(self) -> Sequence[Phase]:
        return [
            Phase("first", list(self.a.parameters()), updates=2),
            Phase("second", list(self.b.parameters()), stream="frames", start=3),
        ]

    def loss(self, batch: StoryBatch, phase: str, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        wants = (self.a.weight.requires_grad, self.b.weight.requires_grad, self.frozen.weight.requires_grad)
        self.calls.append((phase, step, wants, batch.ids))
        x = batch.latents["target"].data.float().mean((1, 2, 3))[:, None].expand(-1, 4)
        return {"loss": self.frozen(self.b(self.a(x))).square().mean()}


def test_phases_train_their_own_parameters_only(step_context: Callable[..., Any]) -> None:
    torch.manual_seed(0)
    model = Two()
    for parameter in model.frozen.parameters():
        parameter.requires_grad_(False)
    before = weights(model)
    context = step_context()
    train(model, source(4), Settings(steps=5, log_every=1), context)
    first = [call for call in model.calls if call[0] == "first"]
    second = [call for call in model.calls if call[0] == "second"]
    assert [call[1] for call in first] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert [call[1] for call in second] == [3, 4]
    assert {call[2] for call in first} == {(True, False, False)}
    assert {call[2] for call in second} == {(False, True, False)}
    assert first[0][3] == first[1][3] != first[2][3], "the updates of one step share its batch"
    assert all("#" in i for call in second for i in call[3]), "the stream 'frames' gives single frames"
    after = weights(model)
    assert not torch.equal(before["a.weight"], after["a.weight"])
    assert not torch.equal(before["b.weight"], after["b.weight"])
    assert torch.equal(before["frozen.weight"], after["frozen.weight"])
    assert [p.requires_grad for p in model.parameters()] == [True] * 4 + [False] * 2
    scalars = [line["scalars"] for line in read_lines(context.run_dir / "metrics.jsonl")]
    assert "first/loss" in scalars[0]
    assert "second/loss" not in scalars[0]
    assert "second/loss" in scalars[3]


def test_parameters_of_another_model_are_refused(step_context: Callable[..., Any]) -> None:
    model = made()
    stranger = nn.Parameter(torch.zeros(2))
    model.phases = lambda: [Phase("main", [*model.parameters(), stranger])]  # type: ignore[method-assign]
    with pytest.raises(TrainingError, match="not the model's own"):
        train(model, source(), SETTINGS, step_context())


class Linear(Trainable):
    """A loss without randomness, for exact comparisons."""

    kind = "tokenizer"

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(SIDE * SIDE, 3).double()

    def loss(self, batch: StoryBatch, phase: str, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        return {"loss": (self.map(batch.latents["target"].data.flatten(2).double()) - 1).square().mean()}


def test_accumulation_equals_the_whole_batch(step_context: Callable[..., Any]) -> None:
    results = []
    for parts in (1, 2, 4):
        torch.manual_seed(0)
        model = Linear()
        train(model, source(8), Settings(steps=5, accumulate=parts), step_context(f"parts{parts}"))
        results.append(model.map.weight)
    for other in results[1:]:
        torch.testing.assert_close(other, results[0], rtol=1e-9, atol=1e-12)


def test_adamw_with_clipping_and_schedule_equals_a_loop_by_hand(step_context: Callable[..., Any]) -> None:
    torch.manual_seed(0)
    model = Linear()
    byhand = nn.Linear(SIDE * SIDE, 3).double()
    byhand.load_state_dict(model.map.state_dict())
    settings = Settings(
        steps=6, lr=0.1, warmup=2, schedule="linear", lr_end=0.5, clip=0.3, weight_decay=0.2, betas=(0.8, 0.9)
    )
    batches = source(8)
    train(model, source(8), settings, step_context())
    optimizer = torch.optim.AdamW(
        [
            {"params": [byhand.weight], "weight_decay": 0.2},
            {"params": [byhand.bias], "weight_decay": 0.0},
        ],
        betas=(0.8, 0.9),
        foreach=False,
    )
    for step, factor in enumerate([0.5, 1.0, 1.0, 0.875, 0.75, 0.625]):
        for group in optimizer.param_groups:
            group["lr"] = 0.1 * factor
        optimizer.zero_grad()
        x = batches.batch(step).latents["target"].data.flatten(2).double()
        (byhand(x) - 1).square().mean().backward()
        norm = torch.cat([p.grad.flatten() for p in byhand.parameters()]).norm()  # type: ignore[union-attr]
        assert norm > 0.3, "clipping must matter for this test to test it"
        for parameter in byhand.parameters():
            parameter.grad *= 0.3 / norm  # type: ignore[operator]
        optimizer.step()
    torch.testing.assert_close(model.map.weight, byhand.weight, rtol=1e-4, atol=1e-6)


def test_averaged_weights_are_the_result(step_context: Callable[..., Any]) -> None:
    seen: list[Tensor] = []

    class Watched(Linear):
        def after_step(self, step: int, generator: torch.Generator) -> dict[str, float]:
            seen.append(self.map.weight.detach().clone())
            return {}

    torch.manual_seed(0)
    model = Watched()
    average = model.map.weight.detach().clone()
    shown: list[tuple[int, Tensor, bool]] = []
    train(
        model,
        source(),
        Settings(steps=30, ema=0.6, lr=0.1),
        step_context(),
        show=lambda done: shown.append((done, model.map.weight.detach().clone(), model.training)),
    )
    averages = []
    for n, weight in enumerate(seen, 1):
        decay = min(0.6, n / (n + 10))
        average = decay * average + (1 - decay) * weight
        averages.append(average)
    torch.testing.assert_close(model.map.weight.detach(), averages[-1])
    assert not torch.allclose(model.map.weight.detach(), seen[-1])
    assert [done for done, _, _ in shown] == list(range(3, 31, 3))
    for done, weight, training in shown:
        assert not training
        torch.testing.assert_close(weight, averages[done - 1])


def draws(generator: torch.Generator) -> dict[str, float]:
    """A validation that draws from every generator there is."""
    return {"x": float(torch.rand((), generator=generator)), "y": float(torch.rand(()))}


class Stopped(BaseException):
    """What SIGTERM does in these tests."""


def attempt(
    step_context: Callable[..., Any], folder: Path, settings: Settings, stop_in: int | None = None
) -> dict[str, Tensor]:
    """Train with the checkpoints in `folder`; a SIGTERM comes in step `stop_in`. Returns the weights."""

    def stop(*_: object) -> None:
        raise Stopped

    model = made()
    learn = model.after_step

    def after_step(step: int, generator: torch.Generator) -> dict[str, float]:
        if step == stop_in:
            os.kill(os.getpid(), signal.SIGTERM)
        return learn(step, generator)

    model.after_step = after_step  # type: ignore[method-assign]
    torch.manual_seed(0)
    before = signal.signal(signal.SIGTERM, stop)
    try:
        train(model, source(), settings, step_context(folder=folder), validate=draws)
        assert stop_in is None
    except Stopped:
        assert stop_in is not None
        assert signal.getsignal(signal.SIGTERM) is stop
    finally:
        signal.signal(signal.SIGTERM, before)
    return weights(model)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_stopped_by_signals_and_resumed_ends_in_the_same_bits(
    step_context: Callable[..., Any], tmp_path: Path, optimizer: Any
) -> None:
    settings = replace(SETTINGS, optimizer=optimizer)
    whole = attempt(step_context, tmp_path / "whole", settings)
    for stop_in in (0, 6, 7, 12):
        attempt(step_context, tmp_path / "broken", settings, stop_in)
        newest = sorted((tmp_path / "broken" / "work" / "train").glob("step-*"))[-1]
        assert newest.name == f"step-{stop_in + 1:08d}"
    broken = attempt(step_context, tmp_path / "broken", settings)
    assert same(whole, broken)

    def scalars(folder: Path) -> list[Any]:
        lines = read_lines(folder / "run" / "metrics.jsonl")
        for line in lines:
            line["scalars"].pop("examples_per_second", None)
        return [(line["iteration"], line["scalars"]) for line in lines]

    assert scalars(tmp_path / "whole") == scalars(tmp_path / "broken")


@pytest.mark.parametrize(
    "settings",
    [
        replace(SETTINGS, checkpoint_minutes=0.0),
        replace(SETTINGS, log_every=1, val_every=1),
    ],
)
def test_saving_logging_and_validating_change_no_bit(step_context: Callable[..., Any], settings: Settings) -> None:
    plain, other = made(), made()
    torch.manual_seed(0)
    train(plain, source(), SETTINGS, step_context("plain"))
    torch.manual_seed(0)
    train(other, source(), settings, step_context("other"), validate=draws, show=lambda _: torch.rand(()))
    assert same(weights(plain), weights(other))


def test_seeds_differ(step_context: Callable[..., Any]) -> None:
    models = [made(), made()]
    for seed, model in enumerate(models):
        torch.manual_seed(0)
        train(model, source(), SETTINGS, step_context(f"s{seed}", seed=seed))
    assert not same(weights(models[0]), weights(models[1]))


class Diverges(Linear):
    def __init__(self, at: int, where: str) -> None:
        super().__init__()
        self.at, self.where = at, where

    def loss(self, batch: StoryBatch, phase: str, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        loss = super().loss(batch, phase, step, generator)["loss"]
        if step == self.at:
            # The square root's slope at 0 is infinite: the loss is fine, its gradient is not.
            loss = loss * float("nan") if self.where == "loss" else (loss - loss.detach()).sqrt()
        return {"loss": loss}


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_a_loss_that_is_not_a_number_names_step_and_checkpoint(step_context: Callable[..., Any], where: str) -> None:
    context = step_context("vqgan")
    with pytest.raises(TrainingError) as caught:
        train(Diverges(7, where), source(), Settings(steps=20, lr=0.02, checkpoint_minutes=0.0), context)
    message = str(caught.value)
    assert "vqgan" in message
    assert f"the {where} of phase 'main' at step 7" in message
    assert "lr 0.02" in message
    assert "warmup" in message
    assert str(sorted(context.work.glob("step-*"))[-1]) in message


def test_a_checkpoint_of_another_model_is_refused(step_context: Callable[..., Any]) -> None:
    context = step_context()
    with pytest.raises(TrainingError):
        train(Diverges(5, "loss"), source(), Settings(steps=9, checkpoint_minutes=0.0), context)
    with pytest.raises(CheckpointError, match="not of this training"):
        train(made(), source(), SETTINGS, context)


def test_a_damaged_checkpoint_is_passed_over(
    step_context: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = attempt(step_context, tmp_path / "whole", SETTINGS)
    for stop_in in (6, 12):
        attempt(step_context, tmp_path / "broken", SETTINGS, stop_in)
    checkpoints = sorted((tmp_path / "broken" / "work" / "train").glob("step-*"))
    assert len(checkpoints) == 2
    state = checkpoints[-1] / "state.json"
    state.write_text(state.read_text().replace('"ema_updates": 13', '"ema_updates": 12'))
    capsys.readouterr()
    assert same(whole, attempt(step_context, tmp_path / "broken", SETTINGS))
    said = capsys.readouterr().err
    assert "checkpoint step-00000013 is not used" in said
    assert "goes on from step 7" in said
