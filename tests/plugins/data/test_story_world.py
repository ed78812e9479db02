"""story-world@1: what it promises, and that it does not change."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from gst.errors import DataError
from gst_data.story_world import StoryWorld
from gst_data.story_world.dataset import bucket, compose, held_out
from gst_data.story_world.render import SLOTS, sprite

MANY = 2000

# Frozen: a change here is a new version of the data set, never a fix.
GOLDEN_CAPTIONS = {
    "train": "6b39cbbd0d5cd3b15f93e3cc0c21eb630a2a03dea6c64c64987ceb9205ae829e",
    "val": "8c0471020d98d17cbf8a1cafc545716c7614655f5c76b2c568ca969b5f5adb90",
    "test": "2bd024490899e790df3275436ad521b70294a871df98cc5d445b0e3f292e496c",
    "compositional": "808d72ed46959e71731767ac434dd50001280bff156a12b246415ae20d843355",
}
GOLDEN_FRAMES = {
    ("train", 64): "1930d4dff9da111754c8038ef3fef49b5e7899f74763e3108348224940af862b",
    ("test", 64): "0f133abfc894ad0a46bb34a69861c0109b836cbef22088a90288384ef9b6c82d",
    ("compositional", 64): "203a16f94909e76eeca16979cfd463b160e109bf1032b6054341037361a076aa",
    ("train", 32): "f54a1d07075004dce71af4ffc739a64275cbc22f784e1682a8d9a61088471d49",
    ("val", 128): "709e2fe4865fd9cdb5324f78c4ed60ce0ff308df723dd294cc51bfc10140a24a",
}


@pytest.fixture(scope="module")
def world():
    return StoryWorld()


@pytest.fixture(scope="module")
def stories(world):
    train = world.split("train")
    return [train[i] for i in range(MANY)]


@pytest.mark.parametrize("split", list(GOLDEN_CAPTIONS))
def test_captions_are_frozen(world, split):
    text = "\n".join("\n".join(world.split(split).captions(i)) for i in range(20))
    assert hashlib.sha256(text.encode()).hexdigest() == GOLDEN_CAPTIONS[split]


@pytest.mark.parametrize(("split", "size"), list(GOLDEN_FRAMES))
def test_frames_are_frozen(split, size):
    stories = StoryWorld(size=size).split(split)
    digest = hashlib.sha256()
    for i in range(20):
        digest.update(stories[i].frames.tobytes())
    assert digest.hexdigest() == GOLDEN_FRAMES[split, size]


def test_a_story_depends_on_seed_split_and_index_only(world):
    again = StoryWorld(train=50, val=7)
    one, two = world.split("train")[40], again.split("train")[40]
    assert one.captions == two.captions
    assert np.array_equal(one.frames, two.frames)
    assert all(np.array_equal(one.extras[k], two.extras[k], equal_nan=k == "boxes") for k in world.extras)
    assert StoryWorld(seed=1).split("train")[40].captions != one.captions


def test_captions_tell_exactly_who_is_there(world, stories):
    for story in stories:
        assert np.array_equal(world.cast.resolve(story.captions, "antecedent"), story.characters), story.captions


def test_pronoun_only_is_what_name_reading_misses(world, stories):
    for story in stories:
        named = world.cast.resolve(story.captions, "none")
        assert not (named & ~story.characters).any()
        assert np.array_equal(story.extras["pronoun_only"], story.characters & ~named)


def test_shares_of_the_benchmark(stories):
    present = np.concatenate([s.characters for s in stories])
    counts = present.sum(1)
    assert counts.min() >= 1
    assert counts.max() <= 4
    assert 1.8 <= counts.mean() <= 2.2
    boxes = np.concatenate([s.extras["boxes"] for s in stories])[present]
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) / 64**2
    assert 0.12 <= np.median(area) <= 0.15
    assert np.concatenate([s.extras["pronoun_only"] for s in stories]).any(1).mean() >= 0.3
    assert (~np.concatenate([s.extras["place_told"] for s in stories])).mean() >= 0.4
    assert 0.8 <= np.concatenate([s.extras["position_told"] for s in stories])[present].mean() <= 0.92
    lengths = [len(c.split()) for s in stories for c in s.captions]
    assert 10 <= np.mean(lengths) <= 20


def test_what_is_not_told_is_as_before(stories):
    for story in stories:
        place, position = story.extras["place"], story.extras["position"]
        assert story.extras["place_told"][0]
        for t in range(1, 5):
            assert story.extras["place_told"][t] or place[t] == place[t - 1]
            untold = story.characters[t] & ~story.extras["position_told"][t]
            assert (position[t] == position[t - 1])[untold].all()


def test_nobody_shares_a_position_and_truths_agree(stories):
    for story in stories:
        position, boxes, mask = (story.extras[k] for k in ("position", "boxes", "mask"))
        assert np.array_equal(position >= 0, story.characters)
        assert np.array_equal(np.isfinite(boxes).all(-1), story.characters)
        for t in range(5):
            taken = position[t][position[t] >= 0]
            assert len(set(taken)) == len(taken)
            ys, xs = np.nonzero(mask[t])
            inside = np.zeros(len(xs), bool)
            for x0, y0, x1, y1 in boxes[t][story.characters[t]]:
                inside |= (xs >= x0) & (xs < x1) & (ys >= y0) & (ys < y1)
            assert inside.all()


def test_everybody_can_be_seen():
    """At least 70 % of a body is visible in 99 % of cases, and never less than half."""
    size, shares = 64, []
    for index in range(500):
        for frame in compose(0, "train", index)[0].frames:
            bodies = []
            for who, slot in sorted(frame.position.items(), key=lambda i: (i[1] != 3, i[1])):
                x, y, zoom = SLOTS[slot]
                drawn = sprite(who, frame.action[who], zoom, size)
                body = np.zeros((3 * size, 3 * size), bool)
                top, left = size + round(y * size) + drawn.top, size + round(x * size) + drawn.left
                body[top : top + drawn.mask.shape[0], left : left + drawn.mask.shape[1]] = drawn.mask
                bodies.append(body)
            for k, body in enumerate(bodies):
                seen = body[size:-size, size:-size].copy()
                for later in bodies[k + 1 :]:
                    seen &= ~later[size:-size, size:-size]
                shares.append(seen.sum() / body.sum())
    assert np.quantile(shares, 0.01) >= 0.7
    assert min(shares) >= 0.5


def test_splits_share_no_triple(world):
    seen = {}
    for split in ("train", "val", "test"):
        for i in range(500):
            script = compose(0, split, i)[0]
            triple = (frozenset(script.cast), script.frames[0].place, script.plot)
            assert seen.setdefault(triple, split) == split
            assert bucket(script.cast, script.frames[0].place, script.plot) == split
            assert not held_out(script.cast)


def test_compositional_shows_unseen_pairs_together(world):
    split = world.split("compositional")
    for i in range(200):
        assert any(held_out(np.flatnonzero(row)) for row in split[i].characters)


@pytest.mark.parametrize("size", [16, 32, 48, 64, 100, 128, 256])
def test_any_size(size):
    world = StoryWorld(size=size)
    story = world.split("val")[0]
    assert story.frames.shape == (5, 3, size, size)
    assert story.frames.dtype == np.uint8
    assert story.extras["mask"].shape == (5, size, size)
    boxes = story.extras["boxes"][story.characters]
    assert (boxes >= 0).all()
    assert (boxes <= size).all()
    assert set(story.extras) == set(world.extras)


def test_every_place_action_and_weather_is_seen(world, stories):
    assert len({int(p) for s in stories for p in s.extras["place"]}) == len(world.places) == 9
    assert len({int(p) for s in stories for p in s.extras["weather"]}) == len(world.weathers)
    assert len({int(s.extras["plot"]) for s in stories}) == len(world.plots)
    assert np.concatenate([s.characters for s in stories]).any(0).all()


def test_sets_behave_like_sequences(world):
    val = world.split("val")
    assert len(val) == 500
    assert val[-1].id == val[499].id == val.ids[499]
    assert len(set(val.ids)) == 500
    assert val.captions(3) == val[3].captions
    with pytest.raises(IndexError):
        val[500]
    with pytest.raises(IndexError):
        val.captions(500)


def test_fingerprints_follow_content():
    base = StoryWorld()
    assert base.fingerprint() == StoryWorld().fingerprint()
    assert base.split("train").fingerprint() == StoryWorld(test=3).split("train").fingerprint()
    for other in (StoryWorld(size=32), StoryWorld(seed=1), StoryWorld(train=3)):
        assert other.fingerprint() != base.fingerprint()
        assert other.split("train").fingerprint() != base.split("train").fingerprint()


def test_bad_options_are_refused(world):
    with pytest.raises(DataError, match="train, val, test, compositional"):
        world.split("dev")
    with pytest.raises(DataError, match="16"):
        StoryWorld(size=8)
    with pytest.raises(DataError, match="val"):
        StoryWorld(val=-1)
