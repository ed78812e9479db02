"""Other stages' latents: through training, drawing, chained pipelines and what goes wrong."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gst
from gst import plugins, schema
from gst.artifacts import Tokens
from gst.errors import DataError, OptionError, UsageError
from gst.exporting import export
from gst.kinds import StorySet
from gst.latents import LatentSpec
from gst.loading import load, of_run
from gst.noise import Noise
from gst.pipeline import StoryPipeline
from gst.preview import read_previews
from gst.recipe.blueprint import Blueprint
from gst.recipe.load import check_recipe
from gst.run import run_recipe
from gst.runtime import Runtime
from gst.stages import StageTokens
from gst.steps.sample import Sample
from gst.tracking import read_lines
from gst.training.loop import Training
from gst.training.settings import Settings
from gst.training.source import StorySource

STORY = ["Bobo stands on the beach.", "He meets Zuki.", "They run to the castle."]
LOW = LatentSpec("ids", (1, 2), vocab=7, frame_size=(4, 4))
FINE = LatentSpec("ids", (2, 4), vocab=9, frame_size=(4, 4))


@pytest.fixture(scope="module")
def chain(tiny_recipe_once: dict[str, Any]) -> dict[str, Any]:
    """The tiny recipe with a second tokenizer and a super-resolution prior behind the first."""
    recipe = copy.deepcopy(tiny_recipe_once)
    components, steps = recipe["components"], recipe["steps"]
    components["tokenizer_hi"] = {**components["tokenizer"], "downsample": 4, "codebook_size": 8}
    components["superres"] = {**components["prior"], "use": "maskgst-superres", "low_layers": 1}
    steps["vqvae_hi"] = {**steps["vqvae"], "model": "$tokenizer_hi"}
    steps["tokens_hi"] = {"use": "tokenize", "tokenizer": "$vqvae_hi.model", "data": "$data.train"}
    steps["tokens_seen"] = {"use": "tokenize", "tokenizer": "$vqvae.model", "data": "$data.test", "stories": 2}
    steps["train_hi"] = {
        **steps["train"],
        "model": "$superres",
        "data": "$tokens_hi.tokens",
        "given": {"low": "$tokens.tokens"},
        "val": "$tokens_hi.tokens",
        "val_given": {"low": "$tokens.tokens"},
        "preview_tokenizer": "$vqvae_hi.model",
        "preview_given": {"low": "$tokens_seen.tokens"},
    }
    steps["sample_hi"] = {
        **steps["sample"],
        "prior": "$train_hi.model",
        "tokenizer": "$vqvae_hi.model",
        "given": {"low": "$sample.tokens"},
    }
    del steps["report"]
    recipe["output"] = "$sample_hi.pictures"
    return recipe


@pytest.fixture(scope="module")
def run(chain: dict[str, Any], tmp_path_factory: pytest.TempPathFactory, gst_store: Path) -> Any:
    from gst.progress import Progress

    out = tmp_path_factory.mktemp("runs") / "chain"
    return run_recipe(chain, out=out, probe=False, progress=Progress(quiet=True))


@pytest.fixture
def pipe(run: Any) -> StoryPipeline:
    return load(run.dir, runtime=Runtime(device="cpu", precision="fp32"))


@pytest.fixture
def loud(pipe: StoryPipeline) -> StoryPipeline:
    """The same with weights so loud that every low token changes the picture."""
    generator = torch.Generator().manual_seed(0)
    for part in (pipe.prior, pipe.tokenizer, pipe.stages["low"].prior):
        for parameter in part.parameters():
            with torch.no_grad():
                parameter.normal_(0.0, 0.3, generator=generator)
    return pipe


@pytest.fixture
def testing_split(run: Any) -> StorySet:
    split: StorySet = run.option("sample", "data")
    return split


def made(count: int, spec: LatentSpec, *, seed: int = 0, tag: str = "") -> Tokens:
    """Tokens of stories of one to three frames."""
    lengths = [1 + i % 3 for i in range(count)]
    data = np.random.default_rng(seed).integers(0, spec.vocab, (count, 3, *spec.grid)).astype(np.uint8)
    for row, length in zip(data, lengths, strict=True):
        row[length:] = 0
    captions = [[f"Bobo {tag}{i} {t}" for t in range(length)] for i, length in enumerate(lengths)]
    cast = gst.build("dataset", "story-world").cast  # type: ignore[attr-defined]
    return Tokens(spec, [f"s{i}" for i in range(count)], captions, data, None, cast, "split")


def picked(tokens: Tokens, rows: list[int]) -> Tokens:
    return replace(
        tokens, ids=[tokens.ids[i] for i in rows], captions=[tokens.captions[i] for i in rows], data=tokens.data[rows]
    )


def _split() -> Any:
    return gst.build("dataset", "story-world", size=16, train=4).split("train")  # type: ignore[attr-defined]


def superres(**options: Any) -> Blueprint:
    sizes = {"dim": 16, "heads": 1, "head_dim": 8, "layers": ["self", "sv"], "low_layers": 1, "characters": False}
    entry = plugins.registry().get("prior", "maskgst-superres")
    clean, problems = schema.validate(entry.load(), {**sizes, **options}, "", "superres")
    assert not problems
    return Blueprint("prior", "maskgst-superres", clean, entry)


def train_step(**options: Any) -> Any:
    given = {"model": superres(), "data": made(6, FINE), "steps": 2, "batch_size": 2}
    return plugins.registry().create("step", "train", {**given, **options})


# Chains


def test_the_pipeline_draws_what_the_steps_drew(run: Any, pipe: StoryPipeline) -> None:
    drawn, tokens = run.outputs["sample_hi.pictures"], run.outputs["sample.tokens"]
    assert isinstance(pipe.stages["low"], StoryPipeline)
    for first in (0, 2):
        part = slice(first, first + 2)  # the steps' micro-batches
        mask = torch.ones(2, 5, dtype=torch.bool)
        condition = pipe.condition(drawn.ids[part], drawn.captions[part], mask, seed=0)
        assert np.array_equal(condition.given["low"].data.numpy(), tokens.data[part])
        assert np.array_equal(pipe.draw(condition, 0).numpy(), drawn.frames[part])


def test_a_users_captions_go_through_both_stages(loud: StoryPipeline) -> None:
    before = [loud(STORY, seed=seed).frames for seed in range(4)]
    assert before[0].shape == (3, 3, 16, 16)
    assert np.array_equal(before[1], loud(STORY, seed=1).frames)
    with torch.no_grad():
        loud.stages["low"].prior.head.weight.neg_()  # type: ignore[union-attr]
    assert any(not np.array_equal(frames, loud(STORY, seed=seed).frames) for seed, frames in enumerate(before))


def test_every_stage_is_told_the_characters_that_are_asked_for(loud: StoryPipeline) -> None:
    told: list[Any] = []
    stage = loud.stages["low"]
    inner = stage.latents
    stage.latents = lambda condition, *rest: (told.append(condition.characters), inner(condition, *rest))[1]  # type: ignore[method-assign]
    loud(STORY, characters=[["Zuki"], [], []])
    zuki = loud.cast.index("Zuki")
    assert told[0].nonzero().tolist() == [[0, 0, zuki]]


def test_stages_do_not_draw_the_same_numbers(loud: StoryPipeline) -> None:
    seen: dict[str, torch.Tensor] = {}
    for name, part in (("low", loud.stages["low"]), ("high", loud)):
        inner = part.sampler.sample

        def watched(
            prior: Any, condition: Any, noise: Noise, *, name: str = name, inner: Any = inner, **kept: Any
        ) -> Any:
            seen[name] = noise.uniform((4,), step=0, name="token")
            return inner(prior, condition, noise, **kept)

        part.sampler.sample = watched  # type: ignore[method-assign]
    loud(STORY)
    assert (seen["low"] - seen["high"]).abs().min() > 0
    assert torch.equal(seen["low"], Noise(0, ["story"], 3).uniform((4,), step=0, name="token"))


def test_exported_and_opened_again_it_draws_the_same(loud: StoryPipeline, tmp_path: Path) -> None:
    export(loud, tmp_path / "whole", dtype=None)
    again = load(tmp_path / "whole", runtime=loud.runtime)
    assert np.array_equal(again(STORY, seed=3).frames, loud(STORY, seed=3).frames)
    assert again.signature() == loud.signature()
    assert loud.signature()["given"]["low"]["prior"] == "maskgst"


def test_what_is_kept_of_a_story_is_kept_by_every_stage(loud: StoryPipeline) -> None:
    story = loud(STORY, seed=1)
    longer = loud(STORY, given=story.frames[:2], seed=2)
    assert np.array_equal(longer.frames[:2], story.frames[:2])
    known: list[torch.Tensor] = []
    for part in (loud.stages["low"], loud):
        inner = part.sampler.sample
        part.sampler.sample = lambda *told, keep, inner=inner, **rest: (  # type: ignore[method-assign]
            known.append(keep),
            inner(*told, keep=keep, **rest),
        )[1]
    again = loud.redraw(story, 0, region=(9, 1, 12, 3), seed=5)
    changed = (again.frames != story.frames).any(1)
    # The coarse grid has cells of 8 x 8 pixels, the fine one of 4 x 4: what is drawn again grows to the coarse one.
    assert not changed[0, 8:].any()
    assert not changed[0, :, :8].any()
    assert not changed[1:].any()
    assert [int((~keep).sum()) for keep in known] == [1, 4]


def test_only_drawn_tokens_make_a_pipeline(run: Any) -> None:
    steps = dict(run.recipe.steps)
    encoded = replace(steps["train_hi"].options["given"]["low"])
    options = {**steps["sample_hi"].options, "given": {"low": encoded}}
    steps["sample_hi"] = replace(steps["sample_hi"], options=options)
    with pytest.raises(UsageError, match=r"\$tokens\.tokens .* not drawn from captions"):
        of_run(replace(run, recipe=replace(run.recipe, steps=steps)))


# The steps


def test_drawn_tokens_are_those_of_the_pictures(run: Any, pipe: StoryPipeline) -> None:
    pictures, tokens = run.outputs["sample_hi.pictures"], run.outputs["sample_hi.tokens"]
    assert tokens.spec == pipe.tokenizer.spec
    assert (tokens.ids, tokens.captions, tokens.source) == (pictures.ids, pictures.captions, pictures.source)
    batch = tokens.batch([0, 1])
    assert np.array_equal(pipe.decode(batch.latents["target"], batch.frame_mask).numpy(), pictures.frames[:2])
    low = run.outputs["sample.pictures"].about
    assert pictures.about["given"] == {"low": low} == {"low": run.outputs["sample.tokens"].about}


def test_grouping_changes_no_token(loud: StoryPipeline, step_context: Any, testing_split: StorySet) -> None:
    parts = {"prior": loud.prior, "tokenizer": loud.tokenizer, "sampler": loud.sampler, "data": testing_split}
    base = loud.stages["low"]
    given = Sample(
        prior=base.prior, tokenizer=base.tokenizer, sampler=base.sampler, data=testing_split, batch_size=3
    ).run(step_context("low"))["tokens"]
    drawn = [
        Sample(**parts, given={"low": low}, batch_size=size, stories=5).run(step_context(f"s{number}"))["tokens"]
        for number, (size, low) in enumerate([(2, given), (5, given), (1, picked(given, [4, 2, 0, 1, 3, 5]))])
    ]
    assert np.array_equal(drawn[0].data, drawn[1].data)
    assert np.array_equal(drawn[0].data, drawn[2].data)
    shuffled = replace(given, data=np.roll(given.data, 1, 0))
    other = Sample(**parts, given={"low": shuffled}, batch_size=5, stories=5).run(step_context("other"))["tokens"]
    assert not np.array_equal(drawn[0].data, other.data)


def test_sampling_needs_the_tokens_of_its_stories(
    pipe: StoryPipeline, run: Any, step_context: Any, testing_split: StorySet
) -> None:
    parts = {"prior": pipe.prior, "tokenizer": pipe.tokenizer, "sampler": pipe.sampler, "data": testing_split}
    with pytest.raises(UsageError, match="'low', which it is not given"):
        Sample(**parts).run(step_context())
    with pytest.raises(UsageError, match="given 'high', of which it knows nothing"):
        Sample(**parts, given={"high": run.outputs["sample.tokens"]}).run(step_context())
    drawn = run.outputs["sample.tokens"]
    with pytest.raises(DataError, match=f"no story {testing_split.id(5)!r} among its 5"):
        Sample(**parts, given={"low": drawn}, stories=8).run(step_context())
    with pytest.raises(UsageError, match="given_frames is 1, and was 0"):
        Sample(**parts, given={"low": drawn}, stories=5, given_frames=1).run(step_context())
    stand_in = Sample(**parts, given={"low": drawn}, batch_size=2).stand_in(step_context())
    assert stand_in["tokens"].data.shape == (2, 5, 4, 4)
    assert stand_in["tokens"].spec == pipe.tokenizer.spec


def test_previews_and_validation_are_given_theirs(run: Any) -> None:
    assert {len(seen.drawn) for seen in read_previews(run.dir) if seen.step == "train_hi"} == {4}
    lines = [line for line in read_lines(run.dir / "metrics.jsonl") if line["step"] == "train_hi"]
    assert any("val/loss" in line.get("scalars", {}) for line in lines)


@pytest.mark.parametrize("missing", ["given", "val_given", "preview_given"])
def test_training_says_what_is_missing(run: Any, chain: dict[str, Any], step_context: Any, missing: str) -> None:
    step = run.maker.step("train_hi")
    setattr(step, missing, {})
    error = OptionError if missing == "given" else UsageError
    with pytest.raises(error, match="'low' has to be given" if missing == "given" else f"as `{missing}: "):
        step.run(step_context())


# Training batches


@pytest.mark.parametrize("unit", ["story", "frame"])
def test_batches_carry_the_tokens_of_their_own_stories(unit: Any) -> None:
    fine, low = made(7, FINE), made(7, LOW, seed=1)
    order = [3, 1, 6, 0, 2, 5, 4]
    conditioner = gst.conditioner.Conditioner(None, fine.cast, "none")
    source = StorySource(
        fine, batch_size=5, seed=0, unit=unit, conditioner=conditioner, given={"low": picked(low, order)}
    )
    for step in range(3):
        batch = source.batch(step)
        assert batch.condition is not None
        given = batch.condition.given["low"]
        assert given.spec == LOW
        assert given.data.shape[:2] == batch.frame_mask.shape
        for row, name in enumerate(batch.ids):
            story, _, frame = name.partition("#")
            number = low.ids.index(story)
            wanted = low.data[number, int(frame)][None] if frame else low.data[number, : batch.frame_mask.shape[1]]
            assert np.array_equal(given.data[row].numpy(), wanted)


def test_a_model_that_is_told_nothing_can_be_given_nothing(step_context: Callable[..., Any]) -> None:
    source = StorySource(made(4, FINE), batch_size=2, seed=0, given={"low": made(4, LOW)})
    assert source.batch(0).condition is None
    entry = plugins.registry().get("tokenizer", "vqvae")
    options, _ = schema.validate(entry.load(), {"widths": [8, 8]}, "", "vqvae")
    step = train_step(model=Blueprint("tokenizer", "vqvae", options, entry), data=_split(), given={"low": made(6, LOW)})
    with pytest.raises(UsageError, match="is told nothing, so it can be given nothing"):
        step.run(step_context())


def test_tokens_of_other_stories_are_refused(step_context: Callable[..., Any]) -> None:
    fine = made(6, FINE)
    for low, message in (
        (made(4, LOW), "no story 's4' among its 4"),
        (made(6, LOW, tag="x"), r"story 's0' is another one there: its captions are \['Bobo x0 0'\]"),
    ):
        with pytest.raises(DataError, match=message):
            train_step(data=fine, given={"low": low}).run(step_context())
    with pytest.raises(UsageError, match="given 'high', of which it knows nothing"):
        train_step(given={"low": made(6, LOW), "high": made(6, LOW)}).run(step_context())
    with pytest.raises(OptionError, match="the name 'cast' is taken"):
        train_step(given={"cast": made(6, LOW)})


def test_more_stories_may_be_given_than_are_trained_on(step_context: Callable[..., Any]) -> None:
    model = train_step(given={"low": made(9, LOW)}).run(step_context())["model"]
    assert model.bound["low"] == LOW


def test_a_split_with_frames_is_given_tokens_by_id_too(run: Any) -> None:
    split, tokens = run.option("sample", "data"), run.outputs["tokens_seen.tokens"]
    given = StageTokens({"low": tokens}).of([(split.id(1), split.captions(1)), (split.id(0), split.captions(0))], 7)
    assert given["low"].data.shape == (2, 7, 2, 2)
    assert np.array_equal(given["low"].data[:, :5].numpy(), tokens.data[[1, 0]])
    assert not given["low"].data[:, 5:].any()


def test_training_goes_on_in_the_same_bits(step_context: Callable[..., Any]) -> None:
    settings = Settings(steps=6, lr=1e-2, optimizer="muon", ema=0.5)

    def start(name: str) -> Training:
        step = train_step(model=superres(low_noise=0.3, dropout=0.1), given={"low": made(6, LOW, seed=1)})
        context = step_context(name)
        torch.manual_seed(0)
        model = step._build(context)
        return Training(model, step._source(model, step.data, 0, step.given), settings, context)

    whole = start("whole")
    for _ in range(6):
        whole.step()
    part = start("part")
    for _ in range(3):
        part.step()
    part.save()
    torch.manual_seed(99)
    rest = start("part")
    rest.resume()
    assert rest.done == 3
    while rest.done < 6:
        rest.step()
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(weight, rest.model.state_dict()[name]), name


# Recipes


def test_what_a_chain_takes_is_known_before_it_runs(chain: dict[str, Any], tmp_path: Path) -> None:
    """Probes run on stand-ins, whose tokens must fit together too."""
    from gst.progress import Progress
    from gst.store import Store

    quiet, store = Progress(quiet=True), Store(tmp_path / "store")
    plan = run_recipe(chain, out=tmp_path / "run", dry_run=True, probe=True, store=store, progress=quiet).plan
    seconds = {planned.name: planned.estimate and planned.estimate.seconds for planned in plan}
    assert all(seconds[name] for name in ("train_hi", "sample", "sample_hi"))


def problems(recipe: dict[str, Any]) -> list[str]:
    return [f"{p.where}  {p.message}" for p in check_recipe(recipe)[1]]


def test_check_knows_what_a_prior_must_be_given(chain: dict[str, Any]) -> None:
    assert not problems(chain)
    recipe = copy.deepcopy(chain)
    del recipe["steps"]["train_hi"]["given"]
    recipe["steps"]["sample_hi"]["given"] = {"lo": "$sample.tokens"}
    recipe["steps"]["sample"]["given"] = {"low": "$tokens.tokens"}
    assert sorted(problems(recipe)) == [
        "steps.sample.given.low  prior 'maskgst' takes no 'low'; it takes nothing",
        "steps.sample_hi  prior 'maskgst-superres' needs another stage's tokens: given: {low: $step.tokens}",
        "steps.sample_hi.given.lo  prior 'maskgst-superres' takes no 'lo'; it takes low",
        "steps.train_hi  prior 'maskgst-superres' needs another stage's tokens: given: {low: $step.tokens}",
    ]
