"""Steps `sample` and `reconstruct`: grouping changes nothing, a kill loses nothing, and what they say of themselves."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gst
from gst.artifacts import Pictures
from gst.batch import collate
from gst.condition import Condition
from gst.errors import DataError, OptionError, UsageError
from gst.kinds import Dataset, Sampler, StorySet
from gst.latents import Latents
from gst.noise import Noise
from gst.pipeline import StoryPipeline
from gst.preview import Preview, read_previews
from gst.steps.reconstruct import Reconstruct
from gst.steps.sample import Sample
from gst.story import Story

Context = Callable[..., Any]


class Watched(Sampler):
    """Another sampler, whose calls can be seen and slowed down."""

    families = ("masked",)

    def __init__(self, inner: Sampler, before: Callable[[Condition], None]) -> None:
        self.inner, self.before, self.use = inner, before, "watched"
        self.options = inner.options
        self.ids: list[torch.Tensor] = []

    def sample(self, prior: Any, condition: Condition, noise: Noise, **known: Any) -> Latents:
        self.before(condition)
        latents = self.inner.sample(prior, condition, noise, **known)
        self.ids.append(latents.data)
        return latents


class Uneven(Dataset):
    """Stories of two to four frames, some without anybody."""

    use, frames_per_story, frame_size, splits, extras = "uneven", 4, (16, 16), ("train",), {}

    def __init__(self, cast: Any, labels: bool = True) -> None:
        self.cast, self.labels = cast, labels

    def split(self, name: str) -> StorySet:
        return UnevenSplit(self)

    def fingerprint(self) -> str:
        return "uneven"


class UnevenSplit(StorySet):
    name = "train"

    def __init__(self, dataset: Uneven) -> None:
        self.dataset: Uneven = dataset

    def __len__(self) -> int:
        return 5

    def captions(self, index: int) -> tuple[str, ...]:
        return ("Bobo sits.", "He waves to Tolo.", "They sing.", "Night falls.")[: 2 + index % 3]

    def story(self, index: int) -> Story:
        captions = self.captions(index)
        frames = np.random.default_rng(index).integers(0, 256, (len(captions), 3, 16, 16)).astype(np.uint8)
        truth = np.zeros((len(captions), len(self.dataset.cast)), bool)
        return Story(f"uneven-{index}", captions, frames, truth if self.dataset.labels else None)

    def fingerprint(self) -> str:
        return "uneven"


@pytest.fixture
def testing_split(tiny_run: Any) -> StorySet:
    split: StorySet = tiny_run.option("sample", "data")
    return split


def sample(
    pipe: StoryPipeline, context: Any, data: StorySet, sampler: Sampler | None = None, **options: Any
) -> Pictures:
    step = Sample(prior=pipe.prior, tokenizer=pipe.tokenizer, sampler=sampler or pipe.sampler, data=data, **options)
    pictures: Pictures = step.run(context)["pictures"]
    return pictures


def test_grouping_and_count_change_no_token(tiny_pipe: Any, step_context: Context, testing_split: StorySet) -> None:
    ids, frames = [], []
    for number, (stories, size) in enumerate([(5, 2), (8, 4), (5, 1), (3, 5)]):
        watched = Watched(tiny_pipe.sampler, lambda condition: None)
        pictures = sample(
            tiny_pipe, step_context(f"s{number}"), testing_split, watched, stories=stories, batch_size=size
        )
        assert len(pictures) == stories == len(pictures.frames)
        assert {len(part) for part in watched.ids} == {size}
        ids.append(torch.cat(watched.ids)[:3])
        frames.append(pictures.frames[:3])
    for other_ids, other_frames in zip(ids[1:], frames[1:], strict=True):
        assert torch.equal(ids[0], other_ids)
        assert np.abs(frames[0].astype(int) - other_frames).max() <= 1
    assert not torch.equal(ids[0][0], ids[0][1])


def test_the_seed_is_the_steps(tiny_pipe: Any, step_context: Context, testing_split: StorySet) -> None:
    one = sample(tiny_pipe, step_context("a", seed=1), testing_split, stories=2)
    two = sample(tiny_pipe, step_context("b", seed=2), testing_split, stories=2)
    assert not np.array_equal(one.frames, two.frames)
    assert (one.about["seed"], two.about["seed"]) == (1, 2)


def test_a_killed_step_goes_on_and_draws_the_same(
    tiny_pipe: Any, step_context: Context, testing_split: StorySet, tmp_path: Path
) -> None:
    whole = sample(tiny_pipe, step_context("whole"), testing_split, batch_size=1)
    context = step_context("killed")
    slow = Watched(tiny_pipe.sampler, lambda condition: time.sleep(0.15))
    for more in (1, 1, 2):
        begun = len(list(context.work.glob("chunk-*.npy")))
        child = os.fork()
        if child == 0:
            sample(tiny_pipe, context, testing_split, slow, batch_size=1)
            os._exit(0)
        until = time.monotonic() + 60
        while len(list(context.work.glob("chunk-*.npy"))) < begun + more and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(random.random() * 0.15)
        os.kill(child, signal.SIGKILL)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL
    done = len(list(context.work.glob("chunk-*.npy")))
    assert 0 < done < len(testing_split)
    drawn: list[tuple[str, ...]] = []
    rest = sample(
        tiny_pipe, context, testing_split, Watched(tiny_pipe.sampler, lambda c: drawn.append(c.ids)), batch_size=1
    )
    assert len(drawn) == len(testing_split) - done
    assert np.array_equal(rest.frames, whole.frames)
    assert rest.ids == whole.ids == [story.id for story in testing_split]


def test_stories_of_different_lengths_are_padded(tiny_pipe: Any, step_context: Context) -> None:
    data = UnevenSplit(Uneven(tiny_pipe.cast))
    pictures = sample(tiny_pipe, step_context(), data, batch_size=2)
    assert pictures.frames.shape == (5, 4, 3, 16, 16)
    for index, (captions, frames) in enumerate(zip(pictures.captions, pictures.frames, strict=True)):
        assert captions == list(data.captions(index))
        assert not frames[len(captions) :].any()
        assert frames[: len(captions)].any((1, 2, 3)).all()


def test_it_says_what_drew_the_pictures(tiny_pipe: Any, step_context: Context, testing_split: StorySet) -> None:
    about = sample(tiny_pipe, step_context(seed=9), testing_split, stories=1, batch_size=1).about
    assert about["seed"] == 9
    assert about["sampler"]["use"] == "maskgit"
    assert about["sampler"]["steps"] == 3
    assert about["guidance"] == {"use": "character", "scale": 0.3, "mode": "plus-minus"}
    assert about["characters_from"] == "captions(antecedent)"
    with torch.no_grad():
        next(tiny_pipe.prior.parameters()).add_(1)
    other = sample(tiny_pipe, step_context("other"), testing_split, stories=1, batch_size=1).about
    assert other["weights"]["prior"] != about["weights"]["prior"]
    assert other["weights"]["tokenizer"] == about["weights"]["tokenizer"]


def test_labels_are_told_only_to_an_oracle(tiny_pipe: Any, step_context: Context) -> None:
    told: list[bool] = []
    watched = Watched(tiny_pipe.sampler, lambda c: told.append(bool(c.characters.any())))
    data = UnevenSplit(Uneven(tiny_pipe.cast))  # its labels say that nobody is there
    sample(tiny_pipe, step_context("captions"), data, watched, stories=1)
    tiny_pipe.prior.conditioner = replace(tiny_pipe.conditioner, characters_from="labels")
    oracle = sample(tiny_pipe, step_context("labels"), data, watched, stories=1)
    assert told == [True, False]
    assert oracle.about["characters_from"] == "labels (oracle)"
    with pytest.raises(DataError, match="needs a data set with character labels"):
        sample(tiny_pipe, step_context("none"), UnevenSplit(Uneven(tiny_pipe.cast, labels=False)), stories=1)


def test_options_out_of_range(tiny_pipe: Any, step_context: Context, testing_split: StorySet) -> None:
    with pytest.raises(UsageError, match="9 was asked for; split 'test' has 8"):
        sample(tiny_pipe, step_context(), testing_split, stories=9)
    with pytest.raises(OptionError, match="batch_size"):
        gst.build("step", "sample", data=testing_split, batch_size=0, **_parts(tiny_pipe))
    with pytest.raises(OptionError, match="batch_size"):
        gst.build("step", "reconstruct", data=testing_split, batch_size=0, tokenizer=tiny_pipe.tokenizer)


def _parts(pipe: StoryPipeline) -> dict[str, Any]:
    return {"prior": pipe.prior, "tokenizer": pipe.tokenizer, "sampler": pipe.sampler}


def test_reconstructions_are_decoded_tokens(tiny_pipe: Any, step_context: Context) -> None:
    data, tokenizer = UnevenSplit(Uneven(tiny_pipe.cast)), tiny_pipe.tokenizer
    context = step_context()
    pictures = Reconstruct(tokenizer=tokenizer, data=data, batch_size=2).run(context)["pictures"]
    assert pictures.about["tokenizer"]["use"] == "vqvae"
    for index, frames in enumerate(pictures.frames):
        story = data[index]
        real = collate([story]).frames
        with torch.no_grad():
            wanted = tokenizer.decode(tokenizer.encode(real))[0]
        wanted = ((wanted + 1) * 127.5).round().clamp(0, 255).numpy()
        assert np.abs(frames[: len(story)] - wanted).max() <= 1
        assert not frames[len(story) :].any()


def test_pictures_of_a_run_come_back_from_the_store(tiny_run: Any) -> None:
    drawn = tiny_run.outputs["sample.pictures"]
    assert drawn.frames.shape == (5, 5, 3, 16, 16)
    assert isinstance(drawn.frames, np.memmap)
    assert drawn.source == tiny_run.option("sample", "data").fingerprint()


def test_probe_and_stand_in_have_the_shape_of_the_real_thing(
    tiny_pipe: Any, step_context: Context, testing_split: StorySet
) -> None:
    step = Sample(data=testing_split, batch_size=2, **_parts(tiny_pipe))
    estimate = step.probe(step_context())
    assert estimate.seconds is not None
    assert estimate.seconds > 0
    stand_in = step.stand_in(step_context())["pictures"]
    assert stand_in.frames.shape == (2, 5, 3, 16, 16)
    assert Reconstruct(data=testing_split, tokenizer=tiny_pipe.tokenizer).probe(step_context()).seconds > 0


def _weights(run: Any, step: str) -> Iterator[tuple[str, torch.Tensor]]:
    return iter(run.outputs[f"{step}.model"].state_dict().items())


def test_previews_change_no_bit_of_the_training(tiny_run: Any, tiny_recipe: dict[str, Any], tmp_path: Path) -> None:
    from gst.progress import Progress
    from gst.run import run_recipe
    from gst.store import Store

    recipe = {**tiny_recipe, "steps": {k: dict(v) for k, v in tiny_recipe["steps"].items() if k in _TRAINED}}
    for step in recipe["steps"].values():
        for option in ("preview", "preview_tokenizer", "preview_sampler"):
            step.pop(option, None)
    del recipe["output"]
    store, progress = Store(tmp_path / "store"), Progress(quiet=True)
    plain = run_recipe(recipe, out=tmp_path / "run", probe=False, store=store, progress=progress)
    for step in ("vqvae", "train"):
        for (name, weight), (_, other) in zip(_weights(plain, step), _weights(tiny_run, step), strict=True):
            assert torch.equal(weight, other), (step, name)


_TRAINED = ("bpe", "vqvae", "tokens", "train")


def test_previews_are_kept_for_the_report(tiny_run: Any, tiny_recipe: dict[str, Any], tmp_path: Path) -> None:
    from gst.progress import Progress
    from gst.run import run_recipe

    real = tiny_run.option("sample", "data")[0]
    again = run_recipe(tiny_recipe, out=tmp_path / "again", probe=False, progress=Progress(quiet=True))
    assert again.nothing_to_do
    for run in (tiny_run, again):  # the second found every step in the store
        kept = list(read_previews(run.dir))
        assert [seen.step for seen in kept] == ["train", "train", "vqvae", "vqvae"]
        for seen in kept:
            assert [look[:2] for look in seen.drawn] == [(1, 0.25), (2, 0.5), (3, 0.75), (4, 1.0)]
            assert all(frames.shape == (5, 3, 16, 16) for _, _, frames in seen.drawn)
        assert kept[0].captions == real.captions
        assert np.array_equal(kept[0].real, real.frames)
    broken = again.dir / "previews" / "train.npz"
    broken.write_bytes(broken.read_bytes()[:-50])
    assert [seen.step for seen in read_previews(again.dir)] == ["vqvae", "vqvae"]


def test_a_preview_drawn_again_after_a_kill_replaces_the_first(
    tiny_pipe: Any, step_context: Context, testing_split: StorySet
) -> None:
    context = step_context()
    preview = Preview(tiny_pipe.tokenizer, testing_split, None, None, context=context, total=10)
    for iteration in (1, 2, 3, 2):
        preview(iteration)
    assert [done for done, _, _ in next(iter(read_previews(context.run_dir))).drawn] == [1, 2]


def test_a_preview_of_a_prior_needs_what_draws(tiny_pipe: Any, step_context: Context, testing_split: StorySet) -> None:
    with pytest.raises(UsageError, match="preview_tokenizer and preview_sampler"):
        Preview(tiny_pipe.prior, testing_split, tiny_pipe.tokenizer, None, context=step_context(), total=1)
