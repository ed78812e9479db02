"""The super-resolution prior: what it reads of the low tokens, that it learns from them, and that nothing leaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

import gst
from gst.batch import StoryBatch
from gst.cast import Cast, Character
from gst.condition import Condition
from gst.errors import OptionError, UsageError
from gst.guidance import Guided
from gst.latents import Latents, LatentSpec
from gst.noise import Noise
from gst.saving import load_component, save_component
from gst_maskgst.superres import MaskGSTSuperRes

LOW = LatentSpec("ids", (1, 2), vocab=5)
FINE = LatentSpec("ids", (4, 4), vocab=9)
COARSE = LatentSpec("ids", (2, 2), vocab=6)


def with_low(told: Condition, seed: int = 3) -> Condition:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(LOW.vocab, (*told.frame_mask.shape, *LOW.grid), generator=generator)
    return replace(told, given={"low": Latents(ids, LOW)})


@pytest.fixture
def superres(prior: Callable[..., Any]) -> Callable[..., Any]:
    def make(**options: Any) -> Any:
        return prior(cls=MaskGSTSuperRes, **{"low": LOW, "low_layers": 2, **options})

    return make


def logits(prior: MaskGSTSuperRes, told: Condition, x: Tensor) -> Tensor:
    with torch.no_grad():
        return prior.predict(prior.begin(told), x, 0.5)[0]


def masked(prior: MaskGSTSuperRes, told: Condition, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = (*told.frame_mask.shape, *prior.latents.grid)
    return torch.randint(prior.latents.vocab + 1, shape, generator=generator)


def test_its_input_is_image_text_characters_and_low_tokens_after_layers_of_their_own(superres, condition) -> None:
    """Equation 8.6.1, written out for one frame without any hook."""
    model = superres(layers=("self",), characters=True)
    told = with_low(condition([2]))
    x = masked(model, told)
    frame = model.embedding.frame.weight
    low = told.given["low"].data
    for t in range(2):
        rows = []
        for i in range(LOW.grid[0]):
            for j in range(LOW.grid[1]):
                place = model.low_place.rows.weight[i] + model.low_place.columns.weight[j]
                rows.append(model.low_token.weight[low[0, t, i, j]] + place + frame[t])
        h = torch.stack(rows)[None, None]
        for layer in model.low_layers:
            h = layer(h, torch.ones(1, 1, 2, dtype=torch.bool))
        base = model.embedding.told(replace(told, given={}))
        whole = torch.cat([model.embedding.image(x)[:, t : t + 1], base.rows[:, t : t + 1], h], 2)
        seen = torch.cat([torch.ones(1, 1, 6), base.mask[:, t : t + 1], torch.ones(1, 1, 2)], 2).bool()
        out = model.head(model.norm(model.layers[0](whole, seen)[:, :, :6])).view(2, 3, -1)
        torch.testing.assert_close(logits(model, told, x)[0, t], out, atol=1e-4, rtol=1e-4)


def test_padding_and_other_stories_never_leak(superres, condition) -> None:
    model, told = superres(), with_low(condition([5, 3]))
    x = masked(model, told)
    before = logits(model, told, x)
    other = with_low(told, seed=9).given["low"].data
    padding = ~told.frame_mask[..., None, None]
    changed = torch.where(padding, other, told.given["low"].data)
    again = replace(told, given={"low": Latents(changed, LOW)})
    torch.testing.assert_close(logits(model, again, x)[told.frame_mask], before[told.frame_mask])
    alone = with_low(condition([5, 3]))
    alone = replace(
        alone,
        ids=alone.ids[:1],
        frame_mask=alone.frame_mask[:1],
        text=replace(alone.text, data=alone.text.data[:1], mask=alone.text.mask[:1]),
        characters=alone.characters[:1],
        given={"low": Latents(alone.given["low"].data[:1], LOW)},
    )
    torch.testing.assert_close(logits(model, alone, x[:1]), before[:1], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("layers", "moved"), [(("self", "full"), [1]), (("sv",), [0, 1, 2])])
def test_low_tokens_of_a_frame_reach_that_frame(superres, condition, layers, moved) -> None:
    model, told = superres(layers=layers), with_low(condition([3]))
    x = masked(model, told)
    data = told.given["low"].data.clone()
    data[0, 1, 0, 0] = (data[0, 1, 0, 0] + 1) % LOW.vocab
    other = replace(told, given={"low": Latents(data, LOW)})
    difference = (logits(model, told, x) - logits(model, other, x)).abs().amax((2, 3, 4))[0]
    assert (difference > 1e-5).nonzero().flatten().tolist() == moved


@pytest.mark.parametrize("guidance", ["cfg", "character"])
def test_guidance_keeps_the_low_tokens_in_every_branch(superres, condition, guidance) -> None:
    model, told = superres(), with_low(condition([4, 2]))
    x = masked(model, told)
    how: Any = gst.build("guidance", guidance)
    with torch.no_grad():
        guided = Guided(model, how, told).predict(x, 1.0, 0.0)
        parts = [b.weight * model.predict(model.begin(b.condition), x, 1.0)[0] for b in how.branches(told, 0.0)]
    real = told.frame_mask
    torch.testing.assert_close(guided[real], torch.stack(parts).sum(0)[real], atol=1e-3, rtol=1e-4)
    without_captions = logits(model, told.null(), x)
    assert (without_captions - logits(model, with_low(told, seed=8).null(), x))[real].abs().amax() > 1e-3


def test_stories_with_tokens_of_two_grids_are_not_stacked(condition) -> None:
    one = with_low(condition([2]))
    two = replace(one, given={"low": Latents(torch.zeros(1, 2, 3, 3, dtype=torch.int64), replace(LOW, grid=(3, 3)))})
    with pytest.raises(ValueError, match="different layouts"):
        Condition.stack([one, two])
    both = Condition.stack([one, one])
    assert both.given["low"].data.shape == (2, 2, 1, 2)


def test_the_same_tokens_in_any_grouping(superres, condition) -> None:
    model, told = superres(), with_low(condition([3, 2, 3], frames=3))
    sampler: Any = gst.build("sampler", "maskgit", steps=3, guidance=gst.build("guidance", "character"))
    together = sampler.sample(model, told, Noise(0, told.ids, 3)).data
    for i in range(3):
        part = slice(i, i + 1)
        alone = Condition(
            ids=told.ids[part],
            frame_mask=told.frame_mask[part],
            text=replace(told.text, data=told.text.data[part], mask=told.text.mask[part]),
            characters=told.characters[part],
            given={"low": Latents(told.given["low"].data[part], LOW)},
        )
        real = alone.frame_mask[0]
        assert torch.equal(sampler.sample(model, alone, Noise(0, alone.ids, 3)).data[0][real], together[i][real])


def test_saved_and_loaded_it_predicts_the_same(condition, tmp_path) -> None:
    cast = Cast([Character("Ann"), Character("Bob"), Character("Cleo")])
    told = with_low(condition([2]))
    model: Any = gst.build(
        "prior",
        "maskgst-superres",
        dim=16,
        heads=1,
        head_dim=8,
        layers=["self"],
        latents=FINE,
        low=LOW,
        text=None,
        cast=cast,
    )
    save_component(model, tmp_path / "prior")
    again: Any = load_component(tmp_path / "prior")
    x = masked(model, told)
    assert again.bound["low"] == LOW
    assert torch.equal(logits(model.eval(), told, x), logits(again, told, x))


def test_what_it_cannot_do_without(superres, condition) -> None:
    model, told = superres(), condition([2])
    with pytest.raises(UsageError, match="draws on another stage's latents, 'low'"):
        model.begin(told)
    with pytest.raises(UsageError, match=r"learned from low tokens .*vocab=5.*it is given .*vocab=4"):
        model.begin(
            replace(told, given={"low": Latents(told.frame_mask.long()[..., None, None], replace(LOW, vocab=4))})
        )
    bound = {"latents": FINE, "text": None, "cast": Cast([])}
    with pytest.raises(OptionError, match="'low' has to be given"):
        gst.build("prior", "maskgst-superres", layers=["self"], **bound)
    with pytest.raises(OptionError, match="gives features"):
        gst.build("prior", "maskgst-superres", layers=["self"], low=LatentSpec("float", (2, 2), channels=4), **bound)


def toy_batch(generator: torch.Generator, *, shuffled: bool = False) -> StoryBatch:
    """Fine tokens that are a function of the low token above them and of their place."""
    low = torch.randint(COARSE.vocab, (16, 2, *COARSE.grid), generator=generator)
    fine = (low.repeat_interleave(2, 2).repeat_interleave(2, 3) + torch.arange(16).view(FINE.grid) % 3) % FINE.vocab
    told = low[torch.randperm(len(low), generator=generator)] if shuffled else low
    condition = Condition(
        ids=tuple(map(str, range(len(low)))),
        frame_mask=torch.ones(low.shape[:2], dtype=torch.bool),
        given={"low": Latents(told, COARSE)},
    )
    return StoryBatch(
        ids=condition.ids,
        captions=[[""] * 2] * len(low),
        frame_mask=condition.frame_mask,
        latents={"target": Latents(fine, FINE)},
        condition=condition,
    )


def toy_prior(**options: Any) -> MaskGSTSuperRes:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"dim": 32, "heads": 2, "head_dim": 16, "layers": ("self", "self"), "low_layers": 1}
    bound = {"latents": FINE, "low": COARSE, "text": None, "cast": Cast([])}
    return MaskGSTSuperRes(characters=False, max_frames=2, **{**sizes, **options}, **bound)


def train(prior: MaskGSTSuperRes, steps: int, *, shuffled: bool) -> dict[str, float]:
    """Losses and accuracies over the last ten steps."""
    optimizer = torch.optim.AdamW(prior.parameters(), lr=4e-3, betas=(0.9, 0.98))
    data, masks = torch.Generator().manual_seed(1), torch.Generator().manual_seed(2)
    last = []
    for step in range(steps):
        scalars = prior.loss(toy_batch(data, shuffled=shuffled), "main", step, masks)
        optimizer.zero_grad()
        scalars["loss"].backward()
        optimizer.step()
        last.append({name: float(value.detach()) for name, value in scalars.items()})
    return {name: sum(scalars[name] for scalars in last[-10:]) / 10 for name in ("loss", "accuracy")}


def test_it_learns_from_the_low_tokens_and_not_from_those_of_another_story() -> None:
    told, misled = (train(toy_prior(), 120, shuffled=shuffled) for shuffled in (False, True))
    assert told["accuracy"] > 0.9
    assert misled["accuracy"] < 0.4
    assert told["loss"] < 0.4
    assert misled["loss"] > 1.5


def test_low_noise_replaces_that_share_in_training_alone() -> None:
    seen: list[Tensor] = []

    class Watched(MaskGSTSuperRes):
        def _told(self, condition: Condition) -> Any:
            seen.append(condition.given["low"].data)
            return super()._told(condition)

    batch = toy_batch(torch.Generator().manual_seed(5))
    clean = batch.condition.given["low"].data.clone()  # type: ignore[union-attr]
    noisy = Watched(
        low_noise=0.5,
        dim=16,
        heads=1,
        head_dim=8,
        layers=("self",),
        characters=False,
        latents=FINE,
        low=COARSE,
        text=None,
        cast=Cast([]),
    )
    for mode, seed in ((True, 0), (True, 0), (True, 1), (False, 0)):
        noisy.train(mode).loss(batch, "main", 0, torch.Generator().manual_seed(seed))
    assert torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], seen[2])
    assert torch.equal(seen[3], clean)
    # A uniform id is the right one once in six.
    assert abs(float((seen[0] != clean).float().mean()) - 0.5 * 5 / 6) < 0.12
    assert torch.equal(batch.condition.given["low"].data, clean)  # type: ignore[union-attr]
