"""The steps fit, train and tokenize, with real components at tiny size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import gst
from gst import plugins, schema
from gst.artifacts import Tokens
from gst.batch import collate
from gst.condition import TextSpec
from gst.errors import OptionError
from gst.kinds import Step
from gst.latents import Latents, LatentSpec
from gst.preview import read_previews
from gst.recipe.blueprint import Blueprint
from gst.saving import load_component, save_component
from gst.steps.tokenize import codebook_use
from gst.tracking import read_lines

VQVAE = {"widths": [8, 16], "blocks": 1, "codebook_size": 8, "code_dim": 4}
MASKGST = {"dim": 16, "heads": 2, "head_dim": 8, "layers": ["full", "self"]}


def blueprint(kind: str, name: str, **options: Any) -> Blueprint:
    entry = plugins.registry().get(kind, name)
    clean, problems = schema.validate(entry.load(), options, "", name)
    assert not problems
    return Blueprint(kind, name, clean, entry)


def step(name: str, **options: Any) -> Any:
    made = plugins.registry().create("step", name, options)
    assert isinstance(made, Step)
    return made


@pytest.fixture(scope="module")
def data() -> Any:
    return gst.build("dataset", "story-world", size=32, train=20)


@pytest.fixture(scope="module")
def tokenizer(data: Any) -> Any:
    torch.manual_seed(0)
    made: Any = gst.build("tokenizer", "vqvae", **VQVAE, frame_size=(32, 32))
    batch = collate([data.split("train")[i] for i in range(8)])
    made.train().loss(batch, "main", 0, torch.Generator().manual_seed(0))  # k-means puts the codes where the data is
    return made.eval()


@pytest.fixture(scope="module")
def tokens(data: Any, tokenizer: Any) -> Tokens:
    stories = [data.split("train")[i] for i in range(12)]
    batch = collate(stories)
    with torch.no_grad():
        ids = tokenizer.encode(batch.frames).data
    return Tokens(
        spec=tokenizer.spec,
        ids=list(batch.ids),
        captions=batch.captions,
        data=ids.numpy().astype(np.uint8),
        characters=batch.characters.numpy(),  # type: ignore[union-attr]
        cast=data.cast,
        source="",
    )


@pytest.fixture(scope="module")
def text(data: Any) -> Any:
    made: Any = gst.build("text", "bpe", vocab_size=300, length=64)
    made.fit(caption for i in range(20) for caption in data.split("train").captions(i))
    return made


def train_prior(tokens: Tokens, text: Any, **options: Any) -> Any:
    given = {
        "data": tokens,
        "text": text,
        "steps": 3,
        "batch_size": 4,
        "model": blueprint("prior", "maskgst", **MASKGST),
    }
    return step("train", **{**given, **options})


def same(a: Any, b: Any) -> bool:
    first, second = a.state_dict(), b.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


# Fit


def test_fit_learns_from_captions_without_drawing(data: Any, step_context: Callable[..., Any]) -> None:
    class Blind(type(data.split("train"))):  # type: ignore[misc]
        def story(self, index: int) -> Any:
            raise AssertionError("a picture was drawn")

    split = data.split("train")
    split.__class__ = Blind
    context = step_context("bpe")
    given = blueprint("text", "bpe", vocab_size=300, length=64)
    fitted = step("fit", text=given, data=split).run(context)["text"]
    reference: Any = gst.build("text", "bpe", vocab_size=300, length=64)
    numbers = reference.fit(caption for i in range(20) for caption in split.captions(i))
    story = [list(split.captions(0))]
    assert torch.equal(fitted.encode(story).data, reference.encode(story).data)
    (line,) = read_lines(context.run_dir / "metrics.jsonl")
    assert line["scalars"] == numbers
    assert step("fit", text=given, data=split).stand_in(context)["text"].spec == fitted.spec


def test_fit_leaves_a_fitted_component_as_it_is(text: Any, tokens: Tokens, step_context: Callable[..., Any]) -> None:
    before = text.encode([["Bobo is here."]]).data
    fitted = step("fit", text=text, data=tokens).run(step_context())["text"]
    assert fitted is not text
    assert torch.equal(text.encode([["Bobo is here."]]).data, before)


# Train


def test_a_tokenizer_is_bound_to_the_size_of_frames(data: Any, step_context: Callable[..., Any]) -> None:
    made = step(
        "train", model=blueprint("tokenizer", "vqvae", **VQVAE), data=data.split("train"), steps=2, batch_size=2
    )
    model = made.run(step_context())["model"]
    assert model.spec == LatentSpec("ids", (4, 4), vocab=8, frame_size=(32, 32))
    assert model.bound["frame_size"] == (32, 32)
    assert not model.training


def test_a_prior_is_bound_to_latents_text_and_cast(
    tokens: Tokens, text: Any, data: Any, step_context: Callable[..., Any]
) -> None:
    model = train_prior(tokens, text).run(step_context())["model"]
    assert model.latents == tokens.spec
    assert model.text == text.spec == TextSpec("ids", 64, vocab=text.spec.vocab)
    assert model.conditioner.text is text
    assert model.conditioner.cast.names == data.cast.names
    assert model.conditioner.describe() == "captions(antecedent)"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"characters_from": "labels"}, "labels (oracle)"),
        ({"resolve": "none"}, "captions(none)"),
        ({"model": {**MASKGST, "characters": False}}, "none"),
    ],
)
def test_what_the_model_is_told_is_written_down(
    tokens: Tokens, text: Any, options: Any, said: str, step_context: Callable[..., Any]
) -> None:
    if "model" in options:
        options = {"model": blueprint("prior", "maskgst", **options["model"])}
    model = train_prior(tokens, text, **options).run(step_context())["model"]
    assert model.conditioner.describe() == said


def test_a_prior_of_ids_cannot_be_trained_on_frames(data: Any, text: Any, step_context: Callable[..., Any]) -> None:
    with pytest.raises(OptionError, match="latents"):
        train_prior(data.split("train"), text).run(step_context())


def test_the_seed_decides_everything(tokens: Tokens, text: Any, step_context: Callable[..., Any]) -> None:
    models = []
    for seed, outside in ((1, 10), (1, 20), (2, 10)):
        torch.manual_seed(outside)
        before = torch.get_rng_state()
        made = train_prior(tokens, text).run(step_context(f"{seed}-{outside}", seed=seed))
        assert torch.equal(torch.get_rng_state(), before), "a step leaves the generators outside alone"
        models.append(made["model"])
    assert same(models[0], models[1])
    assert not same(models[0], models[2])


def test_a_trained_model_is_trained_further_as_a_copy(
    tokens: Tokens, text: Any, step_context: Callable[..., Any]
) -> None:
    first = train_prior(tokens, text).run(step_context("a"))["model"]
    kept = {name: tensor.clone() for name, tensor in first.state_dict().items()}
    second = train_prior(tokens, text, model=first).run(step_context("b"))["model"]
    assert all(torch.equal(first.state_dict()[name], kept[name]) for name in kept)
    assert not same(first, second)
    assert (second.use, second.options) == (first.use, first.options)


def test_a_trained_model_goes_through_the_store(
    tokens: Tokens, text: Any, tmp_path: Any, step_context: Callable[..., Any]
) -> None:
    model = train_prior(tokens, text, ema=0.5).run(step_context())["model"]
    save_component(model, tmp_path / "saved")
    assert same(load_component(tmp_path / "saved"), model)


def test_validation_is_logged_at_fixed_examples(tokens: Tokens, text: Any, step_context: Callable[..., Any]) -> None:
    context = step_context()
    train_prior(tokens, text, steps=5, val=tokens, val_every=2, log_every=1, lr=1e-9, lr_end=1.0).run(context)
    lines = read_lines(context.run_dir / "metrics.jsonl")
    found = [(line["iteration"], line["scalars"]["val/loss"]) for line in lines if "val/loss" in line["scalars"]]
    assert [iteration for iteration, _ in found] == [2, 4, 5]
    assert found[0][1] == pytest.approx(found[2][1], abs=1e-4), "nothing is learned at this rate, so nothing changes"


def test_previews_change_no_bit(
    tokens: Tokens, text: Any, tokenizer: Any, data: Any, step_context: Callable[..., Any]
) -> None:
    plain = train_prior(tokens, text, steps=4).run(step_context("plain"))["model"]
    context = step_context("shown")
    shown = train_prior(
        tokens,
        text,
        steps=4,
        preview=data.split("train"),
        preview_tokenizer=tokenizer,
        preview_sampler=gst.build("sampler", "maskgit", steps=2),
    )
    assert same(shown.run(context)["model"], plain)
    for seen in read_previews(context.run_dir):
        assert [(iteration, share) for iteration, share, _ in seen.drawn] == [(1, 0.25), (2, 0.5), (3, 0.75), (4, 1.0)]


def test_a_probe_estimates_and_changes_nothing(tokens: Tokens, text: Any, step_context: Callable[..., Any]) -> None:
    context = step_context()
    made = train_prior(tokens, text, steps=1000)
    before = torch.get_rng_state()
    estimate = made.probe(context)
    assert estimate.seconds > 1.0, "a thousand steps of a millisecond at least"
    weights = 4 * sum(p.numel() for p in made.stand_in(context)["model"].parameters())
    assert estimate.disk == 3 * 3 * weights + weights
    assert estimate.memory > 2**26
    assert torch.equal(torch.get_rng_state(), before)
    assert not (context.run_dir / "metrics.jsonl").exists()
    assert list(context.work.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps should be greater than 0"),
        ({"steps": 2.5}, "steps"),
        ({"lr": 0.0}, "lr"),
        ({"ema": 1.0}, "ema should be less than 1"),
        ({"betas": [0.9, 1.5]}, "betas"),
        ({"optimizer": "adam"}, "optimizer"),
        ({"schedule": "cosin"}, "schedule"),
        ({"unit": "pictures"}, "unit"),
        ({"accumulate": 3}, "batch_size 4 is not a multiple of accumulate 3"),
        ({"warmup": 9}, "warmup 9 is longer than the training of 3 steps"),
        ({"stesp": 3}, "Did you mean 'steps'"),
    ],
)
def test_wrong_options_are_refused(tokens: Tokens, text: Any, options: Any, message: str) -> None:
    with pytest.raises(OptionError) as caught:
        train_prior(tokens, text, **options)
    words = str(caught.value).replace("  ", " ")
    assert message in words


# Tokenize


def test_tokens_are_what_the_tokenizer_encodes(data: Any, tokenizer: Any, step_context: Callable[..., Any]) -> None:
    made = step("tokenize", tokenizer=tokenizer, data=data.split("train"), batch_size=3, stories=10)
    context = step_context("tokens")
    tokens = made.run(context)["tokens"]
    stories = [data.split("train")[i] for i in range(10)]
    with torch.no_grad():
        expected = tokenizer.encode(collate(stories).frames).data
    assert tokens.data.dtype == np.uint8
    assert np.array_equal(tokens.data, expected.numpy())
    assert (tokens.ids, tokens.captions) == ([s.id for s in stories], [list(s.captions) for s in stories])
    assert np.array_equal(tokens.characters, np.stack([s.characters for s in stories]))
    assert (tokens.spec, tokens.source) == (tokenizer.spec, data.split("train").fingerprint())
    (line,) = read_lines(context.run_dir / "metrics.jsonl")
    assert line["scalars"] == codebook_use(tokens)
    assert len(made.stand_in(context)["tokens"]) == 3
    assert made.probe(context).seconds > 0


def test_tokens_come_back_from_their_folder(
    data: Any, tokenizer: Any, tmp_path: Any, step_context: Callable[..., Any]
) -> None:
    tokens = step("tokenize", tokenizer=tokenizer, data=data.split("train"), stories=4).run(step_context())["tokens"]
    (tmp_path / "saved").mkdir()
    tokens.save(tmp_path / "saved")
    back = Tokens.load(tmp_path / "saved")
    assert np.array_equal(back.data, tokens.data)
    assert back.captions == tokens.captions
    assert isinstance(back.data, np.memmap)


def test_padding_frames_have_zeros_and_are_not_counted(
    data: Any, tokenizer: Any, step_context: Callable[..., Any]
) -> None:
    class Short(type(data.split("train"))):  # type: ignore[misc]
        """Every second story has two frames only."""

        def story(self, index: int) -> Any:
            story = super().story(index)
            cut = 2 if index % 2 else len(story)
            return type(story)(story.id, story.captions[:cut], story.frames[:cut], story.characters[:cut])

        def captions(self, index: int) -> Any:
            return super().captions(index)[: 2 if index % 2 else None]

        def fingerprint(self) -> str:
            return "short"

    split = data.split("train")
    split.__class__ = Short
    tokens = step("tokenize", tokenizer=tokenizer, data=split, batch_size=4, stories=6).run(step_context())["tokens"]
    assert (tokens.data[1::2, 2:] == 0).all()
    assert [len(c) for c in tokens.captions] == [5, 2] * 3
    real = [tokens.data[i, :n].ravel() for i, n in enumerate([5, 2] * 3)]
    shares = np.bincount(np.concatenate(real), minlength=8) / sum(map(len, real))
    entropy = -sum(p * np.log(p) for p in shares if p > 0)
    assert codebook_use(tokens) == {
        "codebook_usage": pytest.approx((shares > 0).mean()),
        "codebook_perplexity": pytest.approx(np.exp(entropy)),
    }


@pytest.mark.parametrize(("vocab", "dtype"), [(2, np.uint8), (256, np.uint8), (257, np.uint16), (70_000, np.uint32)])
def test_ids_are_kept_in_the_smallest_type(
    data: Any, vocab: int, dtype: Any, tokenizer: Any, step_context: Callable[..., Any]
) -> None:
    class Wide(type(tokenizer)):  # type: ignore[misc]
        @property
        def spec(self) -> LatentSpec:
            return LatentSpec("ids", (4, 4), vocab=vocab, frame_size=(32, 32))

        def encode(self, frames: torch.Tensor) -> Latents:
            return Latents(torch.full((*frames.shape[:2], 4, 4), vocab - 1), self.spec)

    wide = type(tokenizer).__new__(Wide)
    wide.__dict__.update(tokenizer.__dict__)
    tokens = step("tokenize", tokenizer=wide, data=data.split("train"), stories=2).run(step_context())["tokens"]
    assert tokens.data.dtype == dtype
    assert (tokens.data == vocab - 1).all()


def test_more_stories_than_there_are(data: Any, tokenizer: Any, step_context: Callable[..., Any]) -> None:
    with pytest.raises(gst.UsageError, match="stories: 21"):
        step("tokenize", tokenizer=tokenizer, data=data.split("train"), stories=21).run(step_context())


def test_options_of_training_are_all_documented() -> None:
    cls: Any = plugins.registry().get("step", "train").load()
    options = schema.signature_of(cls).options
    assert [option.name for option in options if not option.doc] == []
    assert set(cls.neutral) <= {option.name for option in options}
