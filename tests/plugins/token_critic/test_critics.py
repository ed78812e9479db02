"""Both critics: what they see, what they train, and how they are kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import gst
from gst.condition import Text, TextSpec
from gst.errors import OptionError, TrainingError, UsageError
from gst.latents import LatentSpec
from gst.saving import load_component, save_component
from gst.tracking import read_lines
from gst.training import Settings, train

NAMES = ["token-critic", "character-critic"]
BOTH = pytest.mark.parametrize("name", NAMES)


def scores(critic: Any, batch: Any) -> Tensor:
    critic.eval()
    with torch.no_grad():
        found: Tensor = critic.score(critic.begin(batch.condition), batch.latents["target"].data)
    return found


def copied(module: torch.nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


# What they see


@BOTH
def test_padding_changes_no_score(world: Any, name: str) -> None:
    critic = world.critic(name, scramble=True, **({"layers": ["full", "sv", "self"]} if name == "token-critic" else {}))
    batch = world.batch()
    before, frames = scores(critic, batch), batch.frame_mask
    batch.latents["target"].data[~frames] += 1
    text = batch.condition.text
    data = torch.where(text.mask & frames[..., None], text.data, 3)
    characters = batch.condition.characters | ~frames[..., None]
    batch.condition = replace(batch.condition, text=Text(data, text.mask), characters=characters)
    torch.testing.assert_close(scores(critic, batch)[frames], before[frames])


def test_a_token_critic_sees_tokens_captions_and_characters(world: Any) -> None:
    critic = world.critic("token-critic", scramble=True)
    batch = world.batch()
    before, frames = scores(critic, batch), batch.frame_mask

    def changes(condition: Any) -> bool:
        return not torch.allclose(
            scores(critic, replace(batch, condition=condition))[frames], before[frames], atol=1e-3
        )

    text = batch.condition.text
    assert changes(replace(batch.condition, text=Text(text.data.flip(0), text.mask)))
    assert changes(batch.condition.flip_characters())
    ids = batch.latents["target"].data
    ids[:, :, 0, 0] = (ids[:, :, 0, 0] + 1) % world.spec.vocab
    assert not torch.allclose(scores(critic, batch)[:, :, 1, 1], before[:, :, 1, 1], atol=1e-3)


def test_a_character_critic_sees_the_frames_own_tokens_and_characters_alone(world: Any) -> None:
    critic = world.critic("character-critic", scramble=True)
    batch = world.batch()
    before = scores(critic, batch)
    blind = replace(batch, condition=batch.condition.without_text())
    torch.testing.assert_close(scores(critic, blind), before)

    told = batch.condition.characters.clone()
    told[:, 0] = ~told[:, 0]
    after = scores(critic, replace(batch, condition=replace(batch.condition, characters=told)))
    assert not torch.allclose(after[:, 0], before[:, 0], atol=1e-3)
    torch.testing.assert_close(after[:, 1:], before[:, 1:])

    batch.latents["target"].data[:, 0, 0, 0] = 6
    after = scores(critic, batch)
    assert not torch.allclose(after[:, 0, 1, 1], before[:, 0, 1, 1], atol=1e-3)
    torch.testing.assert_close(after[:, 1:], before[:, 1:])


def test_a_character_critic_has_one_row_for_each_who_is_there(world: Any) -> None:
    """Cross-attention to the rows of those present, and the null row, by hand: an absent character changes nothing."""
    critic = world.critic("character-critic", scramble=True)
    batch = world.batch([0])
    batch.condition.characters[:] = torch.tensor([True, False, False])
    before = scores(critic, batch)
    with torch.no_grad():
        critic.network.who.weight[1:] += 1.0
    torch.testing.assert_close(scores(critic, batch), before)
    with torch.no_grad():
        critic.network.who.weight[0, :4] += 1.0
    assert not torch.allclose(scores(critic, batch), before, atol=1e-3)
    with pytest.raises(UsageError, match="no characters"):
        critic.begin(batch.condition.without_characters())


# What they train


def learn(critic: Any, world: Any, context: Any, steps: int = 60, **settings: Any) -> list[dict[str, float]]:
    critic.tell(world.conditioner)
    options = {"lr": 5e-3, "warmup": 5, "log_every": 10, **settings}
    train(critic, world.source(), Settings(steps=steps, **options), context)
    return [line["scalars"] for line in read_lines(context.run_dir / "metrics.jsonl")]


def test_a_token_critic_learns_and_its_prior_stays(world: Any, step_context: Callable[..., Any]) -> None:
    prior = world.prior()
    before = copied(prior)
    critic = world.critic("token-critic", prior=prior)
    lines = learn(critic, world, step_context())
    assert lines[-1]["loss"] < 0.8 * lines[0]["loss"]
    assert lines[-1]["auc"] > 0.8 > lines[0]["auc"]
    assert same(copied(prior), before)
    assert all(p.grad is None for p in prior.parameters())
    assert not prior.training
    assert critic.conditioner is prior.conditioner
    assert not any(p is q for p in critic.parameters() for q in prior.parameters())


def test_a_character_critic_learns_together_with_its_prior(world: Any, step_context: Callable[..., Any]) -> None:
    critic = world.critic("character-critic", prior=world.prior())
    before = copied(critic.prior)
    lines = learn(critic, world, step_context())
    assert lines[-1]["main/loss"] < 0.8 * lines[0]["main/loss"]
    assert max(line["critic/auc"] for line in lines) > 0.65 > lines[0]["critic/auc"]
    assert not same(copied(critic.prior), before)
    assert critic.prior.conditioner is critic.conditioner is world.conditioner


def test_no_gradient_of_a_character_critic_reaches_its_prior(world: Any) -> None:
    critic = world.critic("character-critic", prior=world.prior(dropout=0.5), scramble=True).train()
    critic.tell(world.conditioner)
    first, second = critic.phases()
    assert {id(p) for p in first.parameters} == {id(p) for p in critic.prior.parameters()}
    assert {id(p) for p in second.parameters} == {id(p) for p in critic.network.parameters()}
    assert len(list(critic.parameters())) == len(first.parameters) + len(second.parameters)

    def loss(phase: str) -> Tensor:
        critic.zero_grad(set_to_none=True)
        found: Tensor = critic.loss(world.batch(), phase, 0, torch.Generator().manual_seed(0))["loss"]
        found.backward()
        return found.detach()

    alone = critic.prior.loss(world.batch(), "main", 0, torch.Generator().manual_seed(0))["loss"]
    assert torch.equal(loss("main"), alone.detach())
    assert all(p.grad is None for p in critic.network.parameters())
    in_training = loss("critic")
    assert all(p.grad is None for p in critic.prior.parameters())
    assert sum(p.grad is not None for p in critic.network.parameters()) > 10
    # Its prior draws as it will draw, without dropout, and goes on training with it.
    assert critic.prior.training
    critic.eval()
    assert torch.equal(loss("critic"), in_training)


@BOTH
def test_resumed_training_ends_in_the_same_bits(world: Any, name: str, step_context: Any, tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def attempt(folder: str, stop_at: int | None = None) -> dict[str, Tensor]:
        critic = world.critic(name, prior=world.prior(dropout=0.1), dropout=0.1)
        if name == "character-critic":
            critic.prior.train()
        follow = critic.after_step

        def after_step(step: int, generator: torch.Generator) -> dict[str, float]:
            if step == stop_at:
                raise Stop
            return follow(step, generator)  # type: ignore[no-any-return]

        critic.after_step = after_step
        torch.manual_seed(0)
        learn(critic, world, step_context(folder=tmp_path / folder), steps=6, ema=0.9, checkpoint_minutes=0.0)
        return copied(critic)

    whole = attempt("whole")
    with pytest.raises(Stop):
        attempt("broken", stop_at=3)
    assert same(attempt("broken"), whole)


# How they are kept


def test_a_saved_token_critic_needs_no_prior(world: Any, tmp_path: Path) -> None:
    critic = world.critic("token-critic", prior=world.prior(), scramble=True)
    batch = world.batch()
    save_component(critic, tmp_path / "critic")
    assert {p.name for p in (tmp_path / "critic").rglob("*")} == {
        "component.json",
        "model.safetensors",
        "MANIFEST.json",
    }
    loaded: Any = load_component(tmp_path / "critic")
    assert torch.equal(scores(loaded, batch), scores(critic, batch))
    assert loaded.latents == world.spec
    with pytest.raises(TrainingError, match=r"\$train.model"):
        loaded.loss(batch, "main", 0, torch.Generator())


def test_a_saved_character_critic_has_its_prior_once(world: Any, tmp_path: Path, step_context: Any) -> None:
    critic = world.critic("character-critic", prior=world.prior(), scramble=True)
    critic.tell(world.conditioner)
    batch = world.batch()
    save_component(critic, tmp_path / "critic")
    loaded: Any = load_component(tmp_path / "critic")
    assert same(copied(loaded), copied(critic))
    weights = sum(p.stat().st_size for p in (tmp_path / "critic").rglob("*.safetensors"))
    assert weights < 1.2 * sum(4 * p.numel() for p in critic.parameters()) + 20_000

    parts = gst.build("step", "separate", critic=loaded).run(step_context())  # type: ignore[attr-defined]
    assert same(copied(parts["prior"]), copied(critic.prior))
    assert parts["prior"].conditioner.describe() == world.conditioner.describe()
    assert same(copied(parts["critic"]), {k: v for k, v in copied(critic).items() if k.startswith("network.")})
    assert torch.equal(scores(parts["critic"], batch), scores(critic, batch))
    with pytest.raises(TrainingError, match="together with a prior"):
        parts["critic"].phases()
    with pytest.raises(UsageError, match="no prior"):
        gst.build("step", "separate", critic=parts["critic"]).run(step_context())  # type: ignore[attr-defined]


# What is refused


def test_what_cannot_be_learned_from_is_refused(world: Any) -> None:
    other = LatentSpec("ids", (2, 2), vocab=7)
    for name in NAMES:
        with pytest.raises(OptionError, match="its prior draws"):
            world.critic(name, prior=world.prior(latents=other))
    untrained = world.prior()
    untrained.conditioner = None
    with pytest.raises(UsageError, match="never trained"):
        world.critic("token-critic", prior=untrained).tell(world.conditioner)
    with pytest.raises(UsageError, match=r"text: \$bpe.text"):
        world.critic("token-critic", prior=world.prior(), text=TextSpec("ids", 5, vocab=9)).tell(world.conditioner)
    with pytest.raises(UsageError, match="training mode"):
        world.critic("token-critic", prior=world.prior().train()).loss(world.batch(), "main", 0, torch.Generator())
    nobody = world.prior()
    nobody.conditioner = replace(world.conditioner, characters_from="none")
    with pytest.raises(UsageError, match="characters: false"):
        world.critic("token-critic", prior=nobody).tell(world.conditioner)
    with pytest.raises(UsageError, match="characters_from: captions"):
        world.critic("character-critic", prior=world.prior()).tell(nobody.conditioner)
