from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import Tensor

import gst
from gst.batch import StoryBatch
from gst.condition import Condition, Text
from gst.errors import OptionError, UsageError
from gst.kinds import MaskedPrior
from gst.latents import Latents, LatentSpec
from gst.noise import Noise
from gst_maskgst.choose import choose
from gst_maskgst.orders import ORDERS
from gst_maskgst.sampler import MaskGit
from gst_maskgst.schedules import Schedule

GRID, VOCAB = (2, 8), 20
N = 16


class Table(MaskedPrior):
    """Logits from a table by position, moved by how many tokens of the frame are masked; notes what it was asked."""

    def __init__(self, table: Tensor, sway: float = 0.0) -> None:
        super().__init__()
        self.latents = LatentSpec("ids", GRID, table.shape[-1])
        self.table, self.sway = table.view(*GRID, -1), sway
        self.seen: list[Tensor] = []
        self.times: list[float] = []

    def begin(self, condition: Condition) -> None:
        return None

    def predict(self, state: None, x: Tensor, t: float) -> tuple[Tensor, None]:
        self.seen.append(x.clone())
        self.times.append(t)
        masked = (x == self.mask_id).float().mean((2, 3))[..., None, None, None]
        return self.table * (1 + self.sway * masked), None

    def loss(self, batch: StoryBatch, phase: str, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        raise NotImplementedError


def table(seed: int = 0) -> Tensor:
    return 2 * torch.randn(N, VOCAB, generator=torch.Generator().manual_seed(seed))


def blank(stories: int = 2, frames: int = 3) -> Condition:
    return Condition(tuple(f"s{i}" for i in range(stories)), torch.ones(stories, frames, dtype=torch.bool))


def draw(sampler: MaskGit, prior: MaskedPrior, told: Condition, seed: int = 0, **known: Any) -> Tensor:
    return sampler.sample(prior, told, Noise(seed, told.ids, told.frames), **known).data


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def reference(prior: Table, noise: Noise, frames: tuple[int, int], sampler: MaskGit, start: np.ndarray) -> np.ndarray:
    """The algorithm of MaskGIT frame by frame and token by token, in numpy."""
    x, steps = start.copy(), sampler.steps
    fixed = x != VOCAB
    for step in range(steps):
        u = noise.uniform((N,), step=step, name="token").double().numpy()
        g = noise.gumbel((N,), step=step, name="confidence").double().numpy()
        for b, t in np.ndindex(*frames):
            masked = [i for i in range(N) if x[b, t, i] == VOCAB]
            if not masked:
                continue
            sway = 1 + prior.sway * len(masked) / N
            logits = prior.table.view(N, VOCAB).double().numpy() * sway
            temperature = sampler.temperature * ((steps - step) / steps if sampler.annealed else 1)
            for i in masked:
                p = softmax(logits[i] / temperature)
                keep = np.argsort(-p)[: math.ceil(sampler.top_k * VOCAB - 1e-9)]
                p = np.where(np.isin(np.arange(VOCAB), keep), p, 0)
                p /= p.sum()
                if sampler.top_p < 1:
                    ranked, held, inside = np.argsort(-p), 0.0, []
                    for k in ranked:
                        if held < sampler.top_p:
                            inside.append(k)
                        held += p[k]
                    p = np.where(np.isin(np.arange(VOCAB), inside), p, 0)
                    p /= p.sum()
                x[b, t, i] = int(np.searchsorted(np.cumsum(p), u[b, t, i], side="right"))
            again = math.ceil(math.cos(math.pi / 2 * (step + 1) / steps) * (~fixed[b, t]).sum() - 1e-6)
            again = min(again if step + 1 < steps else 0, len(masked) - 1)
            weight = sampler.confidence_noise * (1 - (step + 1) / steps)
            score = {
                i: math.log(softmax(logits[i])[x[b, t, i]]) + weight * g[b, t, i]
                for i in range(N)
                if not fixed[b, t, i] and (sampler.remask or i in masked)
            }
            for i in sorted(score, key=lambda i: score[i])[: max(0, again)]:
                x[b, t, i] = VOCAB
    return x


@pytest.mark.parametrize(
    "options",
    [
        {"steps": 6, "confidence_noise": 0.0},
        {"steps": 8, "temperature": 0.7, "temperature_annealing": "linear"},
        {"steps": 5, "top_k": 0.3},
        {"steps": 5, "top_p": 0.6},
        {"steps": 7, "remask": True},
        {"steps": 30},
        {"steps": 1},
    ],
)
@pytest.mark.parametrize("given", [False, True], ids=["empty", "known"])
def test_equals_a_plain_reference(options: dict[str, Any], given: bool) -> None:
    sampler, prior, told = MaskGit(**options), Table(table(), sway=0.3), blank()
    keep = torch.rand(2, 3, *GRID, generator=torch.Generator().manual_seed(1)) < (0.3 if given else 0.0)
    known = torch.randint(VOCAB, (2, 3, *GRID), generator=torch.Generator().manual_seed(2))
    got = draw(sampler, prior, told, known=Latents(known, prior.latents), keep=keep)
    start = torch.where(keep, known, VOCAB).flatten(2).numpy()
    expected = reference(prior, Noise(0, told.ids, 3), (2, 3), sampler, start)
    np.testing.assert_array_equal(got.flatten(2).numpy(), expected)


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_masks_the_same_tokens_as_diffusers(schedule: Schedule) -> None:
    """Token i has i + 1 equally likely ids, so that whichever is drawn, its confidence is 1 / (i + 1)."""
    amused = pytest.importorskip("diffusers.schedulers.scheduling_amused")
    order = torch.randperm(N, generator=torch.Generator().manual_seed(0))
    logits = torch.where(torch.arange(VOCAB) <= order[:, None], 0.0, -torch.inf)
    steps = 8
    theirs = amused.AmusedScheduler(mask_token_id=VOCAB, masking_schedule=schedule)
    theirs.set_timesteps(steps, temperature=(0, 0))
    sample, masks = torch.full((1, N), VOCAB), []
    for time in theirs.timesteps:
        masks.append(sample[0] == VOCAB)
        sample = theirs.step(logits[None], time, sample, generator=torch.Generator().manual_seed(0)).prev_sample
    prior = Table(logits)
    draw(MaskGit(steps=steps, schedule=schedule, confidence_noise=0.0), prior, blank(1, 1))
    assert len(prior.seen) == steps
    for seen, mask in zip(prior.seen, masks, strict=True):
        ours = seen.view(N) == VOCAB
        if schedule == "linear":
            assert torch.equal(ours, mask)
        else:  # they round the number of masked tokens down, MaskGIT's paper rounds it up
            assert int(ours.sum()) - int(mask.sum()) in (0, 1)
            assert not (mask & ~ours).any()


@pytest.mark.parametrize("schedule", get_args(Schedule))
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("steps", [1, 4, 40])
def test_no_mask_is_left_and_kept_tokens_stay(schedule: Schedule, order: str, steps: int) -> None:
    prior = Table(table(), sway=0.5)
    out = draw(MaskGit(steps=steps, schedule=schedule, order=order), prior, blank())
    assert ((out >= 0) & (out < VOCAB)).all()
    assert len(prior.seen) <= min(steps, N)
    assert prior.times[0] == 1.0
    assert all(a >= b for a, b in zip(prior.times, prior.times[1:], strict=False))
    for before, after in zip(prior.seen, [*prior.seen[1:], out], strict=True):
        kept = before != VOCAB
        assert torch.equal(before[kept], after[kept])
        assert ((after != VOCAB).sum((2, 3)) > kept.sum((2, 3))).all()  # every pass fixes something


def test_remask_gives_tokens_up_again_and_still_ends() -> None:
    prior = Table(table(), sway=3.0)
    out = draw(MaskGit(steps=8, remask=True), prior, blank(4, 4))
    assert (out < VOCAB).all()
    pairs = zip(prior.seen, prior.seen[1:], strict=False)
    assert any(((before != VOCAB) & (after == VOCAB)).any() for before, after in pairs)


@pytest.mark.parametrize("remask", [False, True])
def test_known_tokens_are_kept_bit_for_bit(remask: bool) -> None:
    prior = Table(table())
    known = torch.randint(VOCAB, (2, 3, *GRID))
    keep = torch.rand(2, 3, *GRID) < 0.5
    keep[0, 0], keep[0, 1] = True, False
    sampler = MaskGit(steps=5, remask=remask)
    out = draw(sampler, prior, blank(), known=Latents(known, prior.latents), keep=keep)
    assert torch.equal(out[keep], known[keep])
    assert (out < VOCAB).all()
    for seen in prior.seen:
        assert torch.equal(seen[keep], known[keep])
    full = torch.ones_like(keep)
    assert torch.equal(draw(sampler, prior, blank(), known=Latents(known, prior.latents), keep=full), known)


def part(told: Condition, where: slice) -> Condition:
    return replace(
        told,
        ids=told.ids[where],
        frame_mask=told.frame_mask[where],
        text=Text(told.text.data[where], told.text.mask[where]),
        characters=told.characters[where],
    )


@pytest.mark.parametrize("options", [{"order": "random"}, {"remask": True}, {"guidance": "character"}])
def test_grouping_changes_no_token_and_seeds_change_many(prior, condition, options: dict[str, Any]) -> None:
    model, told = prior(layers=("full", "sv")), condition([4, 3, 4, 2])
    if "guidance" in options:
        options = {"guidance": gst.build("guidance", options["guidance"])}
    sampler = MaskGit(steps=4, **options)
    together = draw(sampler, model, told)
    apart = [draw(sampler, model, part(told, slice(i, i + 2))) for i in (0, 2)]
    real = told.frame_mask
    assert torch.equal(together[real], torch.cat(apart)[real])
    assert torch.equal(together, draw(sampler, model, told))
    assert (together != draw(sampler, model, told, seed=1)).float().mean() > 0.2


def test_random_order_is_one_permutation_a_frame() -> None:
    prior = Table(table())
    draw(MaskGit(steps=N, schedule="linear", order="random"), prior, blank(1, 2))
    fixed = [(seen != VOCAB).flatten(2)[0] for seen in prior.seen]
    rank = Noise(0, ("s0",), 2).uniform((N,), step=0, name="order")[0]
    for step, kept in enumerate(fixed):
        for frame in range(2):
            assert set(kept[frame].nonzero().flatten().tolist()) == set(rank[frame].argsort().tolist()[N - step :])


def test_temperature_zero_takes_the_likeliest() -> None:
    prior = Table(table())
    out = draw(MaskGit(steps=4, temperature=0.0), prior, blank())
    assert torch.equal(out, prior.table.argmax(-1).expand_as(out))


def test_choose_draws_from_the_distribution() -> None:
    logits = torch.tensor([0.1, 0.2, 0.3, 0.4]).log()
    uniform = (torch.arange(20000) + 0.5) / 20000

    def shares(**options: float) -> list[float]:
        settings = {"temperature": 1.0, "top_k": 1.0, "top_p": 1.0, **options}
        drawn = choose(logits.expand(20000, 4), uniform, **settings)
        return (torch.bincount(drawn, minlength=4) / 20000).tolist()

    assert shares() == pytest.approx([0.1, 0.2, 0.3, 0.4], abs=1e-3)
    assert shares(temperature=0.5) == pytest.approx([1 / 30, 4 / 30, 9 / 30, 16 / 30], abs=1e-3)
    assert shares(top_k=0.5) == pytest.approx([0, 0, 3 / 7, 4 / 7], abs=1e-3)
    assert shares(top_k=0.01) == pytest.approx([0, 0, 0, 1])
    assert shares(top_p=0.65) == pytest.approx([0, 0, 3 / 7, 4 / 7], abs=1e-3)
    assert shares(top_p=0.75) == pytest.approx([0, 2 / 9, 3 / 9, 4 / 9], abs=1e-3)
    edge = choose(logits.expand(2, 4), torch.tensor([0.0, 1 - 2**-24]), temperature=1.0, top_k=0.5, top_p=1.0)
    assert edge.tolist() == [2, 3]


def test_wrong_options_and_wrong_family_are_refused() -> None:
    for options in ({"steps": 0}, {"top_k": 0}, {"temperature": -1}, {"order": "spiral"}):
        with pytest.raises(OptionError):
            gst.build("sampler", "maskgit", **options)
    other: Any = Table(table())
    other.__class__ = type("Other", (gst.kinds.Prior,), {"family": "diffusion", "__abstractmethods__": frozenset()})
    with pytest.raises(UsageError, match="diffusion"):
        draw(MaskGit(), other, blank())
