"""Stories with one more extra, as a step makes them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from gst.building import build
from gst.errors import CheckpointError, DataError
from gst.extended import ExtendedStories
from gst.steps.chunks import as_pictures
from gst.training.cache import cached
from gst.training.source import StorySource


@pytest.fixture
def split():
    return build("dataset", "story-world", size=16, train=6, val=4, test=4).split("train")


def extended(split, count=6, name="marks"):
    values = np.random.default_rng(0).integers(0, 9, (count, 5, 2))
    return ExtendedStories(split, name, "int64 (T, 2): marks", values)


def test_it_is_the_split_with_an_extra(split):
    stories = extended(split, 4)
    assert len(stories) == 4
    assert stories.name == "train"
    for i in range(4):
        story, plain = stories[i], split[i]
        assert (story.id, story.captions) == (plain.id, plain.captions) == (stories.id(i), stories.captions(i))
        assert np.array_equal(story.frames, plain.frames)
        assert np.array_equal(story.extras["marks"], stories.values[i])
        assert story.extras.keys() == {*plain.extras, "marks"}
    assert stories.dataset.extras["marks"] == "int64 (T, 2): marks"
    assert "marks" not in split.dataset.extras
    with pytest.raises(IndexError):
        stories[4]


def test_fingerprint_follows_the_values_and_source_does_not(split):
    stories = extended(split)
    assert stories.source == cached(stories).source == split.fingerprint()
    assert len({split.fingerprint(), stories.fingerprint(), extended(split, 5).fingerprint()}) == 3
    changed = extended(split)
    changed.values[3, 2, 1] += 1
    assert changed.fingerprint() != stories.fingerprint()
    assert extended(split).fingerprint() == stories.fingerprint()
    pictures = as_pictures(stories, [stories[0]], np.zeros((1, 5, 3, 16, 16), np.uint8), {})
    assert pictures.source == split.fingerprint()


def test_training_batches_carry_it(split):
    stories = extended(split)
    batch = StorySource(stories, batch_size=3, seed=0).batch(0)
    index = {stories.id(i): i for i in range(6)}
    for name, marks in zip(batch.ids, batch.extras["marks"], strict=True):
        assert np.array_equal(marks, stories.values[index[name]])
    single = StorySource(stories, batch_size=3, seed=0, unit="frame").batch(0)
    for name, marks in zip(single.ids, single.extras["marks"], strict=True):
        story, frame = name.split("#")
        assert np.array_equal(marks[0], stories.values[index[story], int(frame)])


@pytest.mark.parametrize("nested", [False, True])
def test_saved_and_loaded_equal(split, tmp_path, nested):
    stories = extended(split, 4)
    if nested:
        stories = ExtendedStories(stories, "more", "float64 (T,)", np.arange(15.0).reshape(3, 5))
    stories.save(tmp_path)
    again = ExtendedStories.load(tmp_path)
    assert again.fingerprint() == stories.fingerprint()
    assert again.source == stories.source
    assert again.dataset.extras == stories.dataset.extras
    for one, two in zip(again, stories, strict=True):
        assert one.id == two.id
        assert np.array_equal(one.frames, two.frames)
        assert all(np.array_equal(one.extras[n], two.extras[n], equal_nan=n == "boxes") for n in two.extras)


def test_a_data_set_that_changed_is_refused(split, tmp_path):
    extended(split).save(tmp_path)
    meta = json.loads((tmp_path / "extra.json").read_text())
    (tmp_path / "extra.json").write_text(json.dumps({**meta, "of": "0" * 64}))
    with pytest.raises(CheckpointError, match="for other stories"):
        ExtendedStories.load(tmp_path)


def test_what_cannot_be_added(split):
    with pytest.raises(DataError, match="for 9 stories; split 'train' has 6"):
        extended(split, 9)
    with pytest.raises(DataError, match="an extra 'mask' already"):
        extended(split, 2, "mask")
    with pytest.raises(DataError, match="an extra 'marks' already"):
        extended(extended(split), 2)
