"""Each sampler against its algorithm written out token by token in numpy, and against diffusers and scipy."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import entropy, qmc
from torch import Tensor

from gst.batch import StoryBatch
from gst.condition import Condition
from gst.kinds import Critic
from gst.latents import Latents, LatentSpec
from gst.noise import Noise
from gst_maskgst.samplers.entropy import EntropyOrder
from gst_maskgst.samplers.halton import Halton, halton_order
from gst_maskgst.samplers.linear_noise import LinearNoise
from gst_maskgst.samplers.maskgit import MaskGit
from gst_maskgst.samplers.random import RandomOrder
from gst_maskgst.schedules import Schedule

N, VOCAB = 16, 20

GAMMAS: dict[str, Callable[[float], float]] = {
    "cosine": lambda r: math.cos(math.pi / 2 * r),
    "arccos": lambda r: math.acos(r) / (math.pi / 2),
}


class Judge(Critic):
    """A score by place and id, that also moves with the ids before it; notes what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.latents = LatentSpec("ids", (2, 8), VOCAB)
        self.scores = torch.randn(N, VOCAB, generator=torch.Generator().manual_seed(3))
        self.seen: list[Tensor] = []
        self.begun: list[Condition] = []

    def begin(self, condition: Condition) -> Condition:
        self.begun.append(condition)
        return condition

    def score(self, state: Condition, ids: Tensor) -> Tensor:
        assert not self.training
        self.seen.append(ids.clone())
        flat = ids.flatten(2)
        found = self.scores.expand(*flat.shape, VOCAB).gather(-1, flat[..., None])[..., 0]
        return (found + 0.1 * (flat.cumsum(-1) % 7)).view_as(ids)

    def loss(self, batch: StoryBatch, phase: str, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        raise NotImplementedError


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@dataclass(frozen=True)
class Frame:
    """A frame in step k, all drawn: its logits (N, vocab), its ids (N,), and which of the noise is its own."""

    k: int
    logits: np.ndarray
    ids: np.ndarray
    noise: Noise
    place: tuple[int, int]

    def probability(self) -> np.ndarray:
        return softmax(self.logits)[np.arange(N), self.ids]

    def random(self, kind: str, shape: int, k: int, name: str) -> np.ndarray:
        return getattr(self.noise, kind)((shape,), step=k, name=name)[self.place].double().numpy()


def left(sampler, frame: Frame) -> float:
    return 1 - (frame.k + 1) / sampler.steps


def by_confidence(sampler, frame: Frame) -> np.ndarray:
    g = frame.random("gumbel", N, frame.k, "confidence")
    return np.log(frame.probability()) + sampler.confidence_noise * left(sampler, frame) * g


def by_critic(sampler, frame: Frame) -> np.ndarray:
    u = frame.random("uniform", N, frame.k, "critic")
    score = sampler.critic.scores.double().numpy()[np.arange(N), frame.ids] + 0.1 * (np.cumsum(frame.ids) % 7)
    return score + sampler.critic_noise * left(sampler, frame) * (u - 0.5)


def by_linear_noise(sampler, frame: Frame) -> np.ndarray:
    u = frame.random("uniform", N, frame.k, "confidence")
    return frame.probability() + sampler.confidence_noise * left(sampler, frame) * (u - 0.5)


def by_entropy(sampler, frame: Frame) -> np.ndarray:
    g = frame.random("gumbel", N, frame.k, "entropy")
    return -entropy(softmax(frame.logits), axis=-1) + sampler.entropy_noise * left(sampler, frame) * g


def at_random(sampler, frame: Frame) -> np.ndarray:
    return frame.random("uniform", N, 0, "order")


def by_halton(sampler, frame: Frame) -> np.ndarray:
    """(row, column) of each point of scipy's sequence without its first point, 0; a place counts when it is new."""
    points = qmc.Halton(d=2, scramble=False).random(400)[1:]
    order = list(dict.fromkeys((int(y * 2 + 1e-9), int(x * 8 + 1e-9)) for y, x in points))
    assert len(order) == N
    if sampler.random_start:
        start = int(frame.random("uniform", 1, 0, "start")[0] * N)
        order = order[start:] + order[:start]
    worth = np.zeros(N)
    for place, (row, column) in enumerate(order):
        worth[row * 8 + column] = -place
    return worth


def reference(prior, noise: Noise, sampler, start: np.ndarray, worth: Callable[..., np.ndarray]) -> np.ndarray:
    """Parallel decoding frame by frame and token by token; the places worth least are masked again."""
    x, steps = start.copy(), sampler.steps
    fixed = x != VOCAB
    for step in range(steps):
        u = noise.uniform((N,), step=step, name="token").double().numpy()
        for b, t in np.ndindex(*x.shape[:2]):
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
            again = math.ceil(GAMMAS[sampler.schedule]((step + 1) / steps) * (~fixed[b, t]).sum() - 1e-6)
            again = min(again if step + 1 < steps else 0, len(masked) - 1)
            value = worth(sampler, Frame(step, logits, x[b, t], noise, (b, t)))
            score = {i: value[i] for i in range(N) if not fixed[b, t, i] and (sampler.remask or i in masked)}
            for i in sorted(score, key=lambda i: score[i])[: max(0, again)]:
                x[b, t, i] = VOCAB
    return x


CASES: list[tuple[type, Callable[..., np.ndarray], dict[str, Any]]] = [
    (MaskGit, by_confidence, {"steps": 6, "confidence_noise": 0.0}),
    (MaskGit, by_confidence, {"steps": 8, "temperature": 0.7, "temperature_annealing": "linear"}),
    (MaskGit, by_confidence, {"steps": 5, "top_k": 0.3}),
    (MaskGit, by_confidence, {"steps": 5, "top_p": 0.6}),
    (MaskGit, by_confidence, {"steps": 7, "remask": True}),
    (MaskGit, by_confidence, {"steps": 30}),
    (MaskGit, by_confidence, {"steps": 1}),
    (MaskGit, by_critic, {"steps": 7, "critic": True}),
    (MaskGit, by_critic, {"steps": 30, "critic": True, "critic_noise": 0.0}),
    (MaskGit, by_critic, {"steps": 6, "critic": True, "critic_noise": 9.0, "remask": False}),
    (RandomOrder, at_random, {"steps": 6, "top_p": 0.8}),
    (RandomOrder, at_random, {"steps": 30, "temperature": 0.9}),
    (Halton, by_halton, {"steps": 6}),
    (Halton, by_halton, {"steps": 40, "random_start": False, "schedule": "cosine"}),
    (EntropyOrder, by_entropy, {"steps": 6}),
    (EntropyOrder, by_entropy, {"steps": 9, "entropy_noise": 2.0, "schedule": "arccos"}),
    (LinearNoise, by_linear_noise, {"steps": 6}),
    (LinearNoise, by_linear_noise, {"steps": 9, "confidence_noise": 0.2}),
]


def with_judge(options: dict[str, Any]) -> dict[str, Any]:
    return {**options, "critic": Judge()} if "critic" in options else options


@pytest.mark.parametrize(("cls", "worth", "options"), CASES, ids=lambda x: getattr(x, "__name__", None))
@pytest.mark.parametrize("given", [False, True], ids=["empty", "known"])
def test_equals_a_plain_reference(*, cls, worth, options: dict[str, Any], given: bool, table, blank, draw) -> None:
    sampler, prior, told = cls(**with_judge(options)), table(sway=0.3), blank()
    keep = torch.rand(2, 3, 2, 8, generator=torch.Generator().manual_seed(1)) < (0.3 if given else 0.0)
    known = torch.randint(VOCAB, (2, 3, 2, 8), generator=torch.Generator().manual_seed(2))
    got = draw(sampler, prior, told, known=Latents(known, prior.latents), keep=keep)
    start = torch.where(keep, known, VOCAB).flatten(2).numpy()
    expected = reference(prior, Noise(0, told.ids, 3), sampler, start, worth)
    np.testing.assert_array_equal(got.flatten(2).numpy(), expected)


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_masks_the_same_tokens_as_diffusers(schedule: Schedule, table, blank, draw) -> None:
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
    # Uniform distributions: confidence, its logarithm and entropy agree on the order.
    for sampler in (
        MaskGit(steps=steps, schedule=schedule, confidence_noise=0.0),
        LinearNoise(steps=steps, schedule=schedule, confidence_noise=0.0),
        EntropyOrder(steps=steps, schedule=schedule),
    ):
        prior = table(logits)
        draw(sampler, prior, blank(1, 1))
        assert len(prior.seen) == steps
        for seen, mask in zip(prior.seen, masks, strict=True):
            ours = seen.view(N) == VOCAB
            if schedule == "linear":
                assert torch.equal(ours, mask)
            else:  # they round the number of masked tokens down, MaskGIT's paper rounds it up
                assert int(ours.sum()) - int(mask.sum()) in (0, 1)
                assert not (mask & ~ours).any()


def test_entropy_ranks_places_and_confidence_ranks_tokens(table, blank, draw) -> None:
    """Place 0 is surer than the others; what is drawn there is its unlikely id."""
    logits = torch.full((N, VOCAB), -torch.inf)
    logits[0, :2] = torch.tensor([0.9, 0.1]).log()
    logits[1:, :2] = torch.tensor([0.5, 0.5]).log()
    told = blank(1, 1)
    seed = next(s for s in range(99) if Noise(s, told.ids, 1).uniform((N,), step=0, name="token")[0, 0, 0] > 0.95)
    first = {}
    for sampler in (EntropyOrder(steps=N), MaskGit(steps=N, confidence_noise=0.0)):
        prior = table(logits)
        draw(sampler, prior, told, seed)
        first[type(sampler)] = bool(prior.seen[1].view(N)[0] == 1)  # it is fixed, and to the unlikely id
    assert first == {EntropyOrder: True, MaskGit: False}


def test_halton_order_begins_as_in_the_paper_and_spreads() -> None:
    """Points 1 to 5 in base 2 and 3: (1/2, 1/3), (1/4, 2/3), (3/4, 1/9), (1/8, 4/9), (5/8, 7/9)."""
    order = [divmod(place, 16) for place in halton_order(16, 16)]
    assert order[:5] == [(8, 5), (4, 10), (12, 1), (2, 7), (10, 12)]
    assert sorted(order) == [(y, x) for y in range(16) for x in range(16)]
    for places in (16, 32, 64):
        corners = [sum((y // 8, x // 8) == c for y, x in order[:places]) for c in ((0, 0), (0, 1), (1, 0), (1, 1))]
        assert max(corners) - min(corners) <= 2
    assert sorted(halton_order(3, 5)) == list(range(15))
    assert halton_order(1, 1) == (0,)


def test_critic_sees_the_story_as_it_is_and_nothing_masked(table, blank, draw) -> None:
    judge, told = Judge(), blank()
    draw(MaskGit(steps=5, critic=judge), table(), told)
    assert judge.training  # as it was before
    assert [c is told for c in judge.begun] == [True]
    assert len(judge.seen) == 4  # the last step masks nothing again
    assert all((ids < VOCAB).all() for ids in judge.seen)


@pytest.mark.parametrize("options", [{"remask": True}, {"critic": True}])
def test_tokens_are_given_up_again_and_it_still_ends(options: dict[str, Any], table, blank, draw) -> None:
    prior = table(sway=3.0)
    out = draw(
        MaskGit(steps=8, **{**options, **({"critic": Judge()} if "critic" in options else {})}), prior, blank(4, 4)
    )
    assert (out < VOCAB).all()
    pairs = zip(prior.seen, prior.seen[1:], strict=False)
    assert any(((before != VOCAB) & (after == VOCAB)).any() for before, after in pairs)
