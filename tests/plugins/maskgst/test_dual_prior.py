from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

import gst
from gst.batch import StoryBatch
from gst.cast import Cast, Character
from gst.condition import Condition, TextSpec
from gst.errors import OptionError
from gst.kinds import Guidance, Sampler
from gst.latents import Latents, LatentSpec
from gst.noise import Noise
from gst.saving import load_component, save_component
from gst_maskgst.dual import MaskGSTDual
from gst_maskgst.guidance.character import CharacterGuidance
from gst_maskgst.masking import draw_mask

Conditions = Callable[..., Condition]
SIZE = 6
SPEC = LatentSpec("ids", (2, 3), vocab=2 * SIZE, libraries=2)
TEXT = TextSpec("ids", length=7, vocab=20)
CAST = Cast([Character("Ann"), Character("Bob"), Character("Cleo")])


def make(*, scramble: bool = True, latents: LatentSpec = SPEC, **options: Any) -> MaskGSTDual:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"dim": 32, "heads": 2, "head_dim": 16, "layers": ["full", "self", "sv"]}
    bound = {"latents": latents, "text": TEXT, "cast": CAST}
    prior = gst.build("prior", "maskgst-dual", **{**sizes, **bound, **options})
    assert isinstance(prior, MaskGSTDual)
    if scramble:
        with torch.no_grad():
            for parameter in prior.parameters():
                parameter.normal_(std=0.3 if parameter.ndim > 1 else 1.0)
    return prior.eval()


def with_tokens(condition: Condition, ids: torch.Tensor | None = None) -> StoryBatch:
    if ids is None:
        generator = torch.Generator().manual_seed(3)
        ids = torch.randint(SPEC.vocab, (condition.batch, condition.frames, *SPEC.grid), generator=generator)
    return StoryBatch(
        ids=condition.ids,
        captions=[[""] * condition.frames for _ in condition.ids],
        frame_mask=condition.frame_mask,
        latents={"target": Latents(ids, SPEC)},
        condition=condition,
    )


def draw(prior: MaskGSTDual, condition: Condition, guidance: Guidance | None = None, **given: Any) -> torch.Tensor:
    noise = Noise(0, condition.ids, condition.frames)
    sampler = gst.build("sampler", "maskgit", steps=4, guidance=guidance)
    assert isinstance(sampler, Sampler)
    with torch.no_grad():
        return sampler.sample(prior, condition, noise, **given).data


def all_masked(prior: MaskGSTDual, condition: Condition) -> torch.Tensor:
    """(B, T, N, 2K + 1), what the head reads when all tokens are masked."""
    ids = torch.full((condition.batch, condition.frames, *SPEC.grid), prior.mask_id)
    with torch.no_grad():
        return prior.head(prior._hidden(prior.begin(condition), ids))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_against_a_loop_over_tokens(condition: Conditions, smoothing: float) -> None:
    prior = make(drop_text_frame=0.0, drop_text_story=0.0, label_smoothing=smoothing)
    batch = with_tokens(condition([3, 1, 2]))
    scalars = prior.loss(batch, "main", 0, torch.Generator().manual_seed(5))
    masked = draw_mask(prior.schedule, prior.latest, (3, 3, 6), False, torch.Generator().manual_seed(5))
    ids = batch.latents["target"].data
    hidden = prior._hidden(prior.begin(batch.condition), ids.masked_fill(masked.view_as(ids), prior.mask_id))
    sums: dict[str, list[torch.Tensor]] = {"background": [], "characters": [], "mask": []}
    for b, t, n in (masked & batch.frame_mask[..., None]).nonzero().tolist():
        token = int(ids[b, t].flatten()[n])
        read = prior.head.weight @ hidden[b, t, n] + prior.head.bias
        name, own, target = (
            ("background", read[:SIZE], token) if token < SIZE else ("characters", read[SIZE:-1], token - SIZE)
        )
        log = own.log_softmax(0)
        sums[name].append(-(1 - smoothing) * log[target] - smoothing * log.mean())
        truth = read[-1] if token < SIZE else -read[-1]
        sums["mask"].append(-functional.logsigmoid(truth))
    means = {name: torch.stack(values).mean() for name, values in sums.items()}
    torch.testing.assert_close(scalars["loss"], torch.stack(list(means.values())).sum())
    for name, mean in means.items():
        torch.testing.assert_close(scalars[f"{name}_loss"], mean.detach())


@pytest.mark.parametrize(("ids", "missing"), [(2, "characters"), (SIZE + 1, "background")])
def test_stories_of_one_library_alone(condition: Conditions, ids: int, missing: str) -> None:
    batch = with_tokens(condition([2]), torch.full((1, 2, *SPEC.grid), ids))
    scalars = make().loss(batch, "main", 0, torch.Generator().manual_seed(0))
    assert scalars["loss"].isfinite()
    assert f"{missing}_loss" not in scalars


def test_a_head_for_each_library_and_one_for_the_mask(condition: Conditions) -> None:
    told = condition([3, 2])
    prior = make()
    x = torch.full((2, 3, *SPEC.grid), prior.mask_id)
    logits, _ = prior.predict(prior.begin(told), x, 1.0)
    assert logits.shape == (2, 3, *SPEC.grid, 2 * SIZE)
    torch.testing.assert_close(logits.flatten(2, 3), all_masked(prior, told)[..., : 2 * SIZE])


def test_the_mask_of_one_pass_says_which_library(condition: Conditions) -> None:
    told = condition([3, 2])
    prior = make()
    allowed = prior.allowed(prior.begin(told))
    assert allowed.shape == (2, 3, *SPEC.grid, 2 * SIZE)
    background = (all_masked(prior, told)[..., -1].sigmoid() >= 0.5).view(2, 3, *SPEC.grid)
    assert 0 < background.float().mean() < 1
    assert torch.equal(allowed[..., :SIZE], background[..., None].expand(-1, -1, -1, -1, SIZE))
    assert torch.equal(allowed[..., SIZE:], ~allowed[..., :SIZE])


@pytest.mark.parametrize("guidance", [None, CharacterGuidance(scale=0.4)])
def test_drawn_tokens_are_of_their_library(condition: Conditions, guidance: Guidance | None) -> None:
    """By the mask of the condition as it is, whatever other branches a guidance has."""
    told = condition([3, 2, 3])
    prior = make()
    ids = draw(prior, told, guidance)
    background = prior.background(prior.begin(told))
    assert torch.equal((ids < SIZE)[told.frame_mask], background[told.frame_mask])
    if guidance is not None:
        others = prior.background(prior.begin(told.without_text().flip_characters()))
        assert not torch.equal(others, background)
        assert not torch.equal(ids, draw(prior, told))


def test_known_tokens_stay_whatever_their_library(condition: Conditions) -> None:
    told = condition([3])
    prior = make()
    free = draw(prior, told)
    known = (free + SIZE) % (2 * SIZE)
    keep = torch.zeros_like(free, dtype=torch.bool)
    keep[:, 1, 0] = True
    ids = draw(prior, told, known=Latents(known, SPEC), keep=keep)
    assert torch.equal(ids[keep], known[keep])
    assert torch.equal((ids < SIZE)[~keep], (free < SIZE)[~keep])


def test_grouping_changes_no_token(condition: Conditions) -> None:
    told = condition([3, 2, 3])
    prior = make()
    together = draw(prior, told)
    alone = condition([3, 2, 3])
    for i, length in enumerate((3, 2, 3)):
        one = Condition(
            ids=alone.ids[i : i + 1],
            frame_mask=alone.frame_mask[i : i + 1],
            text=type(alone.text)(alone.text.data[i : i + 1], alone.text.mask[i : i + 1]),  # type: ignore[union-attr, misc]
            characters=alone.characters[i : i + 1],  # type: ignore[index]
        )
        assert torch.equal(draw(prior, one)[:, :length], together[i : i + 1, :length])


def test_it_learns_where_characters_are(condition: Conditions) -> None:
    """Whoever is told stands at a place of the grid of its own."""
    prior = make(scramble=False, layers=["self", "self"], drop_text_frame=0.0, drop_text_story=0.0)
    told = condition([3] * 8)
    ids = torch.zeros(8, 3, 6, dtype=torch.long)
    ids[..., :3] = torch.where(told.characters, SIZE + torch.arange(3), 0)
    batch = with_tokens(told, ids.view(8, 3, *SPEC.grid))
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(prior.parameters(), 3e-3)
    prior.train()
    for _ in range(80):
        optimizer.zero_grad()
        prior.loss(batch, "main", 0, generator)["loss"].backward()
        optimizer.step()
    prior.eval()
    drawn = draw(prior, told)
    assert (drawn == batch.latents["target"].data).float().mean() > 0.97


def test_saved_and_loaded_equal(condition: Conditions, tmp_path: Path) -> None:
    prior, told = make(rarity_weight=0.5), condition([3, 2])
    prior.train().loss(with_tokens(told), "main", 0, torch.Generator().manual_seed(0))
    save_component(prior.eval(), tmp_path / "a")
    again = load_component(tmp_path / "a")
    assert isinstance(again, MaskGSTDual)
    assert torch.equal(draw(again, told), draw(prior, told))
    one, two = (p.loss(with_tokens(told), "main", 0, torch.Generator().manual_seed(0))["loss"] for p in (prior, again))
    assert torch.equal(one, two)


def test_it_wants_two_libraries() -> None:
    with pytest.raises(OptionError, match="the tokenizer has one library; use prior maskgst, or tokenizer dual-vqgan"):
        make(latents=LatentSpec("ids", (2, 3), vocab=12))
