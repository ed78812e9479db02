"""PSNR, SSIM, frame consistency and codebook use against plain loops."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from gst.batch import collate
from gst.building import build
from gst.errors import DataError
from gst.story import Story
from gst_metrics.codebook_use import CodebookUse
from gst_metrics.frame_consistency import FrameConsistency
from gst_metrics.psnr import PSNR
from gst_metrics.ssim import SSIM, ssim


@pytest.fixture
def stories(world):
    return world.stories(9)


@pytest.fixture
def noisy(stories):
    random = np.random.default_rng(3)

    def make(strength):
        return [
            np.clip(story.frames + random.normal(0, strength, story.frames.shape), 0, 255).astype(np.uint8)
            for story in stories
        ]

    return make


def test_psnr_frame_by_frame(stories, noisy, feed):
    drawn = noisy(20)
    drawn[0][0] = stories[0].frames[0]  # an equal frame
    expected = []
    for story, frames in zip(stories, drawn, strict=True):
        for a, b in zip(story.frames.astype(float), frames.astype(float), strict=True):
            error = sum((x - y) ** 2 for x, y in zip(a.ravel(), b.ravel(), strict=True)) / a.size
            expected.append(10 * math.log10(255 * 255 / error) if error else 100.0)
    assert feed(PSNR(), stories, drawn).compute()["psnr"] == pytest.approx(np.mean(expected), rel=1e-6)


@pytest.mark.parametrize("pixels", ["mask", "not mask"])
def test_psnr_of_some_pixels(stories, noisy, feed, pixels):
    random = np.random.default_rng(4)
    masks = [random.random((len(story), 16, 16)) < 0.3 for story in stories]
    masks[0][0] = pixels == "not mask"  # a frame without any of them
    masked = [replace(s, extras={**s.extras, "mask": m}) for s, m in zip(stories, masks, strict=True)]
    drawn, expected = noisy(20), []
    for story, frames, mask in zip(stories, drawn, masks, strict=True):
        for a, b, inside in zip(story.frames.astype(float), frames.astype(float), mask, strict=True):
            chosen = inside if pixels == "mask" else ~inside
            if chosen.any():
                expected.append(10 * math.log10(255**2 / np.mean((a[:, chosen] - b[:, chosen]) ** 2)))
    metric = feed(PSNR(pixels=pixels), masked, drawn)
    assert metric.directions == {f"psnr[{pixels}]": "up"}
    assert metric.compute() == {f"psnr[{pixels}]": pytest.approx(np.mean(expected), rel=1e-6)}
    assert metric.signature()["pixels"] == pixels


def test_psnr_of_pixels_that_nobody_tells(stories, noisy, feed):
    with pytest.raises(DataError, match="no truth value 'mask'"):
        feed(PSNR(pixels="mask"), stories, noisy(20))
    with pytest.raises(DataError, match="'pronoun_only' is not told of each pixel"):
        feed(PSNR(pixels="pronoun_only"), stories, noisy(20))


def ssim_by_windows(a, b):
    """Wang et al. 2004, window by window."""
    axis = np.arange(11) - 5
    window = np.exp(-(axis[:, None] ** 2 + axis[None, :] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for x, y in zip(a.astype(float), b.astype(float), strict=True):
        for i in range(x.shape[0] - 10):
            for j in range(x.shape[1] - 10):
                p, q = x[i : i + 11, j : j + 11], y[i : i + 11, j : j + 11]
                mp, mq = (window * p).sum(), (window * q).sum()
                vp, vq = (window * (p - mp) ** 2).sum(), (window * (q - mq) ** 2).sum()
                both = (window * (p - mp) * (q - mq)).sum()
                values.append((2 * mp * mq + c1) * (2 * both + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2)))
    return np.mean(values)


def test_ssim_window_by_window(stories, noisy, feed):
    drawn = noisy(40)
    expected = [
        ssim_by_windows(a, b)
        for story, frames in zip(stories, drawn, strict=True)
        for a, b in zip(story.frames, frames, strict=True)
    ]
    assert feed(SSIM(), stories, drawn).compute()["ssim"] == pytest.approx(np.mean(expected), rel=1e-6)


def test_ssim_with_scipy_filters_on_a_picture_that_is_not_square():
    random = np.random.default_rng(0)
    a = random.integers(0, 256, (3, 40, 52)).astype(float)
    b = np.clip(a + random.normal(0, 30, a.shape), 0, 255)

    def blur(x):
        filtered = [gaussian_filter(channel, 1.5, truncate=3.4) for channel in x]  # radius 5
        return np.stack(filtered)[:, 5:-5, 5:-5]

    ma, mb = blur(a), blur(b)
    va, vb, both = blur(a * a) - ma**2, blur(b * b) - mb**2, blur(a * b) - ma * mb
    c1, c2 = 6.5025, 58.5225
    expected = ((2 * ma * mb + c1) * (2 * both + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))).mean()
    assert float(ssim(torch.from_numpy(a)[None], torch.from_numpy(b)[None])) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("metric", "best"), [(PSNR, 100.0), (SSIM, 1.0)])
def test_perfect_is_best_worse_is_worse_and_padding_changes_nothing(metric, best, stories, noisy, feed):
    values = []
    for strength in (0, 10, 60):
        drawn = noisy(strength)
        (value,) = feed(metric(), stories, drawn).compute().values()
        values.append(value)
        assert feed(metric(), stories, drawn, size=2, length=7).compute() == pytest.approx(
            feed(metric(), stories[::-1], drawn[::-1]).compute(), rel=1e-12
        )
    assert values[0] == pytest.approx(best, abs=1e-9)
    assert values[0] > values[1] > values[2]


def test_ssim_needs_a_whole_window():
    small = torch.zeros(1, 3, 10, 30)
    with pytest.raises(DataError, match="11 pixels"):
        ssim(small, small)


def test_frame_consistency_is_the_mean_cosine_of_neighbours(scorer, world, feed):
    stories = world.stories(9, lengths=(2, 3, 5))
    drawn = [world.drawn(story, 0.2) for story in stories]
    cosines = []
    for frames in drawn:
        features = frames[:, 1, 8:, :4].reshape(len(frames), -1) / 127.5 - 1
        for a, b in pairwise(features):
            cosines.append(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    metric = FrameConsistency(classifier=scorer)
    assert feed(metric, stories, drawn, length=8).compute()["frame-consistency"] == pytest.approx(np.mean(cosines))
    assert metric.directions == {"frame-consistency": None}
    still = [np.repeat(frames[:1], len(frames), 0) for frames in drawn]
    assert feed(FrameConsistency(classifier=scorer), stories, still).compute()["frame-consistency"] == pytest.approx(1)


def test_frame_consistency_of_single_pictures_is_not_defined(scorer, world, feed):
    stories = world.stories(3, lengths=(1,))
    assert feed(FrameConsistency(classifier=scorer), stories, [s.frames for s in stories]).compute() == {}


@pytest.fixture
def tokenizer():
    options = {"downsample": 8, "widths": [8, 16], "codebook_size": 16, "code_dim": 8}
    made = build("tokenizer", "vqvae", frame_size=(16, 16), **options)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in made.state_dict().values():
            if tensor.is_floating_point():
                tensor.normal_(0, 0.5, generator=generator)
    return made.eval()


def test_codebook_use_counts_codes_of_real_frames_only(tokenizer, stories, feed):
    random = np.random.default_rng(0)
    drawn = [random.integers(0, 256, story.frames.shape).astype(np.uint8) for story in stories]
    used = []
    for frames in drawn:
        with torch.no_grad():
            used += tokenizer.encode(torch.from_numpy(frames).float()[None] / 127.5 - 1).data.flatten().tolist()
    share = np.array([used.count(k) for k in range(16)]) / len(used)
    metric = CodebookUse(tokenizer=tokenizer)
    numbers = feed(metric, stories, drawn, length=6).compute()
    assert numbers["codebook-use"] == pytest.approx(100 * (share > 0).mean())
    entropy = -sum(p * math.log(p) for p in share if p > 0)
    assert numbers["codebook-use/perplexity"] == pytest.approx(math.exp(entropy))
    assert 1 < len(set(used)) <= 16  # not all alike, so the numbers above say something
    assert metric.signature()["tokenizer"]["codebook_size"] == 16


def test_one_colour_uses_one_code_a_place(tokenizer, feed, tmp_path: Path):
    grey = Story("grey", ("", ""), np.full((2, 3, 16, 16), 90, np.uint8))
    numbers = feed(CodebookUse(tokenizer=tokenizer), [grey], [grey.frames]).compute()
    assert numbers["codebook-use/perplexity"] <= tokenizer.spec.tokens + 1e-9


def test_no_real_frames_to_compare_with(stories, scorer):
    from gst_metrics.fid_clf import FidClf

    batch = collate(stories)
    frames, batch.frames = batch.frames, None
    for metric in (PSNR(), SSIM(), FidClf(classifier=scorer)):
        with pytest.raises(DataError, match="real frames"):
            metric.update(batch, frames)
