"""The Fréchet distance against torch-fidelity and SciPy, and the metric around it."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from torch_fidelity.metric_fid import fid_statistics_to_metric

from gst.errors import DataError
from gst.evaluation.bootstrap import intervals
from gst_metrics.fid_clf import FidClf
from gst_metrics.frechet import Normal, frechet_distance


def samples(count, width, seed, scale=1.0):
    random = np.random.default_rng(seed)
    mixing = random.normal(size=(width, width))
    return random.normal(size=(count, width)) @ mixing * scale + random.normal(size=width)


def by_torch_fidelity(a, b):
    statistics = [{"mu": x.mean(0), "sigma": np.cov(x, rowvar=False)} for x in (a, b)]
    return fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]


@pytest.mark.parametrize("width", [1, 8, 64])
@pytest.mark.parametrize("scale", [1.0, 1e-2])
def test_agrees_with_torch_fidelity(width, scale):
    a, b = samples(300, width, 1, scale), samples(200, width, 2, scale)
    if width == 1:
        m, s = [x.mean() for x in (a, b)], [x.std(ddof=1) for x in (a, b)]
        expected = (m[0] - m[1]) ** 2 + (s[0] - s[1]) ** 2  # what the formula is for numbers
    else:
        expected = by_torch_fidelity(a, b)
    assert frechet_distance(Normal.of(a), Normal.of(b)) == pytest.approx(expected, rel=1e-6)


def test_agrees_with_the_root_of_the_product():
    a, b = Normal.of(samples(100, 12, 3)), Normal.of(samples(100, 12, 4))
    root = scipy.linalg.sqrtm(a.covariance @ b.covariance).real
    expected = ((a.mean - b.mean) ** 2).sum() + np.trace(a.covariance + b.covariance - 2 * root)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)


def test_singular_covariances():
    """Fewer samples than features: the root of a product of singular matrices, seen through a rotation."""
    random = np.random.default_rng(0)
    rotation = np.linalg.qr(random.normal(size=(20, 20)))[0]
    flat_a, flat_b = samples(50, 3, 5), samples(50, 3, 6)
    expected = frechet_distance(Normal.of(flat_a), Normal.of(flat_b))
    a, b = (np.pad(x, ((0, 0), (0, 17))) @ rotation for x in (flat_a, flat_b))
    assert frechet_distance(Normal.of(a), Normal.of(b)) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(Normal.of(a), Normal.of(a)) == pytest.approx(0.0, abs=1e-6)


def test_counting_several_times_is_repeating():
    a = samples(40, 5, 7)
    times = np.random.default_rng(1).integers(0, 4, 40)
    counted, repeated = Normal.of(a, times.astype(float)), Normal.of(a.repeat(times, 0))
    assert counted.mean == pytest.approx(repeated.mean)
    assert counted.covariance == pytest.approx(np.cov(a.repeat(times, 0), rowvar=False))


def test_symmetric():
    a, b = Normal.of(samples(60, 6, 8)), Normal.of(samples(60, 6, 9))
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a))


@pytest.fixture
def stories(world):
    return world.stories(40, lengths=(2, 3, 5))


def textures(frames):
    return np.concatenate(frames)[:, 1, 8:, :4].reshape(-1, 32) / 127.5 - 1


def dimmed(stories, share):
    return [(story.frames * (1 - share)).astype(np.uint8) for story in stories]


def test_metric_takes_real_frames_only_and_no_padding(scorer, stories, feed, world):
    drawn = [world.drawn(story, 0.2) for story in stories]
    expected = by_torch_fidelity(textures(drawn), textures([story.frames for story in stories]))
    for size, length in ((40, 5), (3, 8), (1, None)):
        numbers = feed(FidClf(classifier=scorer), stories, drawn, size, length).compute()
        assert numbers["fid-clf"] == pytest.approx(expected, rel=1e-5)  # features are float32


def test_perfect_is_zero_and_worse_is_more(scorer, stories, feed):
    values = [
        feed(FidClf(classifier=scorer), stories, dimmed(stories, share)).compute()["fid-clf"]
        for share in (0.0, 0.1, 0.4)
    ]
    assert values[0] == pytest.approx(0.0, abs=1e-6)
    assert values[0] < values[1] < values[2]


def test_rows_are_stories(scorer, stories, feed, world):
    drawn = [world.drawn(story, 0.2) for story in stories]
    rows = np.random.default_rng(0).integers(0, 40, 40)
    picked = feed(FidClf(classifier=scorer), [stories[i] for i in rows], [drawn[i] for i in rows]).compute()
    numbers = feed(FidClf(classifier=scorer), stories, drawn).compute(rows)
    assert numbers["fid-clf"] == pytest.approx(picked["fid-clf"], rel=1e-9)


def test_its_interval_is_moved_back_by_its_bias(scorer, stories, feed, world):
    """Both sets come from one distribution: a resample, with fewer different stories, always looks further apart."""
    metric = feed(FidClf(classifier=scorer), stories, [world.drawn(story, 0.0) for story in stories])
    value = metric.compute()["fid-clf"]
    low, high = intervals(metric, 40, 60, seed=0)["fid-clf"]
    assert low < value < high
    metric.biased = False
    raw = intervals(metric, 40, 60, seed=0)["fid-clf"]
    assert raw[1] - raw[0] == pytest.approx(high - low)
    assert raw[0] > value


def test_signature_and_too_few_frames(new_scorer, stories, feed):
    a, b = FidClf(classifier=new_scorer()), FidClf(classifier=new_scorer(2.0))
    assert a.signature()["weights"] != b.signature()["weights"]
    assert FidClf(classifier=new_scorer()).signature() == a.signature()
    with pytest.raises(DataError, match="two frames"):
        a.compute()
