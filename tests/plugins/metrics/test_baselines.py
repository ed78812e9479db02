"""Pictures to compare with: by frequency, by caption, and the frame before."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from gst.artifacts import Pictures, Tokens
from gst.building import build
from gst.errors import DataError
from gst.latents import LatentSpec
from gst_metrics.unigram import draw_tokens, frequencies


@pytest.fixture(scope="module")
def data():
    return build("dataset", "story-world", size=16, train=30, val=4, test=6)


def run(step, context) -> Pictures:
    pictures = step.run(context)["pictures"]
    assert pictures.frames.dtype == np.uint8
    return pictures


def test_retrieve_takes_the_training_frame_with_the_nearest_caption(data, step_context):
    train, test = data.split("train"), data.split("test")
    step = build("step", "retrieve", train=train, data=test, stories=5, batch_size=2)
    pictures = run(step, step_context("retrieve"))
    known = [(i, t) for i in range(30) for t in range(5)]
    vectorizer = TfidfVectorizer()
    vectors = vectorizer.fit_transform([train[i].captions[t] for i, t in known])
    assert pictures.ids == [test[i].id for i in range(5)]
    assert pictures.source == test.fingerprint()
    assert pictures.about["train"] == train.fingerprint()
    for n, story in enumerate(test[:5]):
        cosines = (vectorizer.transform(story.captions) @ vectors.T).toarray().round(9)
        for t in range(5):
            i, u = known[cosines[t].argmax()]
            assert np.array_equal(pictures.frames[n, t], train[i].frames[u])


def test_retrieve_finds_a_story_that_it_knows(data, step_context):
    train = data.split("train")
    pictures = run(build("step", "retrieve", train=train, data=train, stories=6), step_context("retrieve"))
    captions = [caption for i in range(30) for caption in train.captions(i)]
    checked = 0
    for n, story in enumerate(train[:6]):
        for t, caption in enumerate(story.captions):
            if captions.count(caption) == 1:
                checked += 1
                assert np.array_equal(pictures.frames[n, t], story.frames[t])
    assert checked > 20


def test_copy_frame_is_the_real_frame_before(data, step_context):
    train, test = data.split("train"), data.split("test")
    pictures = run(build("step", "copy-frame", train=train, data=test), step_context("copy"))
    nearest = run(build("step", "retrieve", train=train, data=test), step_context("retrieve"))
    assert len(pictures) == 6
    for n, story in enumerate(test[:]):
        assert np.array_equal(pictures.frames[n, 0], nearest.frames[n, 0])
        assert np.array_equal(pictures.frames[n, 1:], story.frames[:-1])


@pytest.fixture
def tokenizer():
    return build(
        "tokenizer", "vqvae", frame_size=(16, 16), downsample=8, widths=[8, 16], codebook_size=16, code_dim=8
    ).eval()


@pytest.fixture
def tokens(tokenizer, data):
    """Two stories of two frames and of one; ids at padding are zero and must not count."""
    ids = np.zeros((3, 2, 2, 2), np.uint8)
    ids[0, 0], ids[0, 1], ids[1, 0], ids[2, 0], ids[2, 1] = 3, 3, 5, 3, [[3, 9], [9, 9]]
    captions = [["a", "b"], ["c"], ["d", "e"]]
    return Tokens(tokenizer.spec, ["x", "y", "z"], captions, ids, None, data.cast, "source")


def test_frequencies_at_each_place_of_real_frames(tokens):
    shares = frequencies(tokens)
    assert shares.shape == (2, 2, 16)
    assert shares.sum(2) == pytest.approx(1.0)
    assert shares[0, 0, [3, 5]] == pytest.approx([0.8, 0.2])
    assert shares[1, 1, [3, 5, 9]] == pytest.approx([0.6, 0.2, 0.2])
    assert shares[:, :, 0].sum() == 0


def test_draws_follow_the_frequencies():
    random = np.random.default_rng(0)
    shares = random.dirichlet(np.ones(6) * 0.5, (2, 3))
    shares[0, 0] = [0, 0, 1, 0, 0, 0]
    ids = draw_tokens(shares, random.random((400, 50, 2, 3), np.float32))
    found = np.stack([(ids == k).mean((0, 1)) for k in range(6)], -1)
    assert found == pytest.approx(shares, abs=5 / np.sqrt(20000) / 2)
    assert (ids[:, :, 0, 0] == 2).all()
    ends = draw_tokens(
        shares, np.array([0.0, np.nextafter(np.float32(1), 0)], np.float32).repeat(6).reshape(2, 1, 2, 3)
    )
    assert (np.take_along_axis(np.broadcast_to(shares, (2, 1, 2, 3, 6)), ends[..., None], -1) > 0).all()


def test_unigram_pictures_depend_on_seed_and_story_alone(tokenizer, tokens, data, step_context, tmp_path):
    def draw(name, seed=0, **options):
        step = build("step", "unigram", tokenizer=tokenizer, tokens=tokens, data=data.split("test"), **options)
        return run(step, step_context(name, seed))

    whole, part = draw("a", batch_size=4), draw("b", stories=3, batch_size=2)
    assert len(whole) == 6
    assert np.array_equal(whole.frames[:3], part.frames)
    assert not np.array_equal(whole.frames, draw("c", seed=1).frames)
    assert whole.about["tokens"] == "source"
    seen = set()
    for frame in whole.frames.reshape(-1, 3, 16, 16):
        seen.add(frame.tobytes())
    assert 2 < len(seen) <= 2 * 3**3  # two ids at the first place, three at the others


def test_unigram_refuses_tokens_of_another_tokenizer(tokenizer, tokens, data, step_context):
    tokens.spec = LatentSpec("ids", (2, 2), vocab=32, frame_size=(16, 16))
    step = build("step", "unigram", tokenizer=tokenizer, tokens=tokens, data=data.split("test"))
    with pytest.raises(DataError, match="not those of the tokenizer"):
        step.run(step_context("unigram"))


def test_nothing_to_retrieve(step_context):
    empty = build("dataset", "story-world", size=16, train=0, test=2)
    step = build("step", "retrieve", train=empty.split("train"), data=empty.split("test"))
    with pytest.raises(DataError, match="'train' is empty"):
        step.run(step_context("retrieve"))


def test_the_plugin_imports_no_torch():
    import subprocess
    import sys

    code = "import sys, gst_metrics; sys.exit('torch' in sys.modules or 'timm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
