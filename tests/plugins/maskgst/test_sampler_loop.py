"""What holds for every sampler of masked priors, whatever its order."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, get_args

import pytest
import torch
from torch import Tensor

import gst
from gst.batch import StoryBatch
from gst.condition import Condition, Text
from gst.errors import OptionError, TrainingError, UsageError
from gst.kinds import Critic
from gst.latents import Latents, LatentSpec
from gst_maskgst.schedules import Schedule, masked_count, masked_share

GRID, VOCAB, N = (2, 8), 20, 16


class Mean(Critic):
    """Takes large ids for real, and more so where the frame's are large."""

    def __init__(self, latents: LatentSpec, scale: float = 1.0) -> None:
        super().__init__()
        self.latents, self.scale = latents, scale

    def begin(self, condition: Condition) -> None:
        return None

    def score(self, state: None, ids: Tensor) -> Tensor:
        return self.scale * (ids + ids.float().mean((2, 3), keepdim=True)) / self.latents.vocab

    def loss(self, batch: StoryBatch, phase: str, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        raise NotImplementedError


SAMPLERS: dict[str, tuple[str, dict[str, Any]]] = {
    "maskgit": ("maskgit", {}),
    "remask": ("maskgit", {"remask": True}),
    "critic": ("maskgit", {"critic": Mean}),
    "random": ("random", {}),
    "halton": ("halton", {}),
    "halton-same": ("halton", {"random_start": False}),
    "entropy": ("entropy", {}),
    "entropy-noise": ("entropy", {"entropy_noise": 3.0}),
    "linear-noise": ("linear-noise", {}),
}


def build(name: str, latents: LatentSpec | None = None, **options: Any) -> Any:
    use, own = SAMPLERS[name]
    latents = latents or LatentSpec("ids", GRID, VOCAB)
    own = {key: value(latents) if value is Mean else value for key, value in own.items()}
    return gst.build("sampler", use, **{**own, **options})


@pytest.mark.parametrize("schedule", get_args(Schedule))
@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("steps", [1, 4, 40])
def test_as_many_tokens_are_fixed_as_the_schedule_says(
    *, schedule: Schedule, name: str, steps: int, table, blank, draw
) -> None:
    prior = table(sway=0.5)
    out = draw(build(name, steps=steps, schedule=schedule), prior, blank())
    assert ((out >= 0) & (out < VOCAB)).all()
    assert len(prior.seen) <= min(steps, N)
    assert prior.times[0] == 1.0
    assert all(a >= b for a, b in zip(prior.times, prior.times[1:], strict=False))
    wanted = N
    for step, seen in enumerate(prior.seen):
        assert ((seen == VOCAB).sum((2, 3)) == wanted).all()
        share = masked_share(schedule, torch.tensor((step + 1) / steps), N)
        wanted = min(int(masked_count(share, N)), wanted - 1) if step + 1 < steps else 0
    assert wanted == 0
    if name not in ("remask", "critic"):
        for before, after in zip(prior.seen, [*prior.seen[1:], out], strict=True):
            kept = before != VOCAB
            assert torch.equal(before[kept], after[kept])


@pytest.mark.parametrize("name", SAMPLERS)
def test_known_tokens_are_kept_bit_for_bit(name: str, table, blank, draw) -> None:
    prior = table()
    known = torch.randint(VOCAB, (2, 3, *GRID))
    keep = torch.rand(2, 3, *GRID) < 0.5
    keep[0, 0], keep[0, 1] = True, False
    sampler = build(name, steps=5)
    out = draw(sampler, prior, blank(), known=Latents(known, prior.latents), keep=keep)
    assert torch.equal(out[keep], known[keep])
    assert (out < VOCAB).all()
    for seen in prior.seen:
        assert torch.equal(seen[keep], known[keep])
    wanted = (~keep).sum((2, 3))
    for step, seen in enumerate(prior.seen):
        assert torch.equal((seen == VOCAB).sum((2, 3)), wanted)
        share = masked_share(sampler.schedule, torch.tensor((step + 1) / 5), N)
        wanted = torch.minimum(masked_count(share, (~keep).sum((2, 3))), wanted - 1).clamp_min(0)


def test_where_all_is_known_the_prior_is_not_asked(table, blank, draw) -> None:
    prior, known = table(), torch.randint(VOCAB, (2, 3, *GRID))
    whole = torch.ones(known.shape, dtype=torch.bool)
    assert torch.equal(draw(build("maskgit"), prior, blank(), known=Latents(known, prior.latents), keep=whole), known)
    assert prior.seen == []


def part(told: Condition, where: slice) -> Condition:
    return replace(
        told,
        ids=told.ids[where],
        frame_mask=told.frame_mask[where],
        text=Text(told.text.data[where], told.text.mask[where]),
        characters=told.characters[where],
    )


@pytest.mark.parametrize(("name", "guided"), [*((name, False) for name in SAMPLERS), ("random", True)])
def test_grouping_changes_no_token_and_seeds_change_many(name: str, guided: bool, prior, condition, draw) -> None:
    model, told = prior(layers=("full", "sv")), condition([4, 3, 4, 2])
    options = {"guidance": gst.build("guidance", "character")} if guided else {}
    sampler = build(name, model.latents, steps=4, **options)
    together = draw(sampler, model, told)
    apart = [draw(sampler, model, part(told, slice(i, i + 2))) for i in (0, 2)]
    real = told.frame_mask
    assert torch.equal(together[real], torch.cat(apart)[real])
    assert torch.equal(together, draw(sampler, model, told))
    assert (together != draw(sampler, model, told, seed=1))[real].float().mean() > 0.2


def test_padding_frames_get_id_0_and_hold_nothing_up(table, blank, draw) -> None:
    prior, told = table(), blank()
    padded = replace(told, frame_mask=torch.tensor([[True, True, True], [True, False, False]]))
    out = draw(build("maskgit", steps=6), prior, padded)
    assert (out[1, 1:] == 0).all()
    assert torch.equal(out[padded.frame_mask], draw(build("maskgit", steps=6), table(), told)[padded.frame_mask])
    keep = padded.frame_mask[..., None, None].expand_as(out)
    prior.seen.clear()
    assert torch.equal(draw(build("maskgit"), prior, padded, known=Latents(out, prior.latents), keep=keep), out)
    assert prior.seen == []


def test_temperature_zero_takes_the_likeliest(table, blank, draw) -> None:
    prior = table()
    for name in SAMPLERS:
        out = draw(build(name, steps=4, temperature=0.0), prior, blank())
        assert torch.equal(out, prior.table.argmax(-1).expand_as(out))


def told_apart(stories: int, frames: int, *, text: bool) -> Condition:
    """One character, there in every other frame."""
    ids = tuple(f"s{i}" for i in range(stories))
    there = (torch.arange(stories * frames).view(stories, frames, 1) % 2) == 0
    real = torch.ones(stories, frames, dtype=torch.bool)
    words = torch.ones(stories, frames, 3, dtype=torch.long)
    return Condition(ids, real, Text(words, words > 0) if text else None, characters=there)


@pytest.mark.parametrize("text", [False, True], ids=["one-group", "two-groups"])
@pytest.mark.parametrize("guidance", [None, "minus", "plus-minus"])
@pytest.mark.parametrize(
    "options",
    [{}, {"temperature": 0.0}, {"top_k": 0.8}, {"top_p": 0.5}],
    ids=lambda o: next(iter(o), "plain"),
)
def test_only_allowed_ids_are_drawn_and_the_first_branch_says_which(
    text: bool, guidance: str | None, options: dict[str, Any], table, draw
) -> None:
    """Frames with the character may hold ids below 10, the others ids from 10 on; CG- asks with them swapped, too."""
    prior = table()
    calls = []

    def begin(condition: Condition) -> Tensor:
        return condition.characters

    def allowed(state: Tensor) -> Tensor:
        calls.append(len(state))
        low = torch.arange(VOCAB) < 10
        return torch.where(state[..., None, None], low, ~low).expand(-1, -1, *GRID, -1)

    prior.begin, prior.allowed = begin, allowed
    told = told_apart(3, 4, text=text)
    guide = None if guidance is None else gst.build("guidance", "character", mode=guidance, scale=0.4)
    for name in SAMPLERS:
        calls.clear()
        out = draw(build(name, steps=5, guidance=guide, **options), prior, told)
        assert torch.equal(out < 10, told.characters[..., None].expand_as(out))
        assert len(calls) == 1


@pytest.mark.parametrize("wrong", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("name", SAMPLERS)
def test_logits_that_are_no_numbers_are_told_as_such(wrong: float, name: str, table, blank, draw) -> None:
    prior = table()
    prior.table = prior.table.expand(2, 3, *GRID, -1).clone()
    prior.table[1, 2, 1, 7] = wrong
    with pytest.raises(TrainingError, match=r"decoding step 1 of 4, frame 3 of story 's1'"):
        draw(build(name, steps=4), prior, blank())
    padded = blank()
    padded.frame_mask[1, 2] = False
    assert (draw(build(name, steps=4), prior, padded) < VOCAB).all()


def test_critic_must_fit_and_give_numbers(table, blank, draw) -> None:
    other = Mean(LatentSpec("ids", GRID, VOCAB + 1))
    with pytest.raises(UsageError, match="judges"):
        draw(gst.build("sampler", "maskgit", critic=other), table(), blank())
    with pytest.raises(TrainingError, match="step 1 of 20"):
        draw(gst.build("sampler", "maskgit", critic=Mean(table().latents, torch.nan)), table(), blank())


def test_wrong_options_and_wrong_family_are_refused(table, blank, draw) -> None:
    for name, options in (
        ("maskgit", {"steps": 0}),
        ("halton", {"top_k": 0}),
        ("random", {"temperature": -1}),
        ("random", {"confidence_noise": 1.0}),
        ("entropy", {"schedule": "spiral"}),
        ("linear-noise", {"confidence_noise": -1.0}),
    ):
        with pytest.raises(OptionError):
            gst.build("sampler", name, **options)
    for name in SAMPLERS:
        other: Any = table()
        other.__class__ = type("Other", (gst.kinds.Prior,), {"family": "diffusion", "__abstractmethods__": frozenset()})
        with pytest.raises(UsageError, match="diffusion"):
            draw(build(name), other, blank())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda known, keep: {"known": known}, "belong together"),
        (lambda known, keep: {"keep": keep}, "belong together"),
        (lambda known, keep: {"known": known, "keep": keep[:1]}, "keep has shape"),
        (lambda known, keep: {"known": Latents(known.data[:, :2], known.spec), "keep": keep}, "known has shape"),
        (lambda known, keep: {"known": Latents(known.data + VOCAB, known.spec), "keep": keep}, "0 to 19"),
    ],
)
def test_wrong_known_tokens_are_refused(change, message: str, table, blank, draw) -> None:
    prior = table()
    known, keep = Latents(torch.zeros(2, 3, *GRID, dtype=torch.long), prior.latents), torch.ones(2, 3, *GRID) > 0
    with pytest.raises(UsageError, match=message):
        draw(build("maskgit"), prior, blank(), **change(known, keep))


def test_the_sampler_in_the_readme_works(root, table, blank, draw) -> None:
    readme = (root / "plugins/gst-maskgst/README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    made: dict[str, Any] = {}
    exec(compile(block, "README.md", "exec"), made)
    prior = table()
    draw(made["TopToBottom"](steps=4, schedule="linear"), prior, blank())
    masked = [(seen[0, 0].flatten() == VOCAB).nonzero().flatten().tolist() for seen in prior.seen]
    assert masked == [list(range(n, N)) for n in (0, 4, 8, 12)]


@pytest.mark.parametrize("use", ["maskgit", "halton", "entropy", "linear-noise"])
def test_the_default_recipe_draws_with_any_of_them(use: str, tmp_path) -> None:
    """Nothing but `-s sampler.use=halton`: all its other options are those of every sampler of masked priors."""
    run = gst.run_recipe("maskgst_cg", [f"sampler.use={use}"], smoke=True, until="drawn", out=tmp_path / "run")
    pictures = run.outputs["drawn.pictures"]
    assert pictures.about["sampler"]["use"] == use
    assert pictures.about["guidance"]["use"] == "character"
    assert set(run.seconds) <= {"bpe", "vqgan", "tokens", "train", "drawn"}
