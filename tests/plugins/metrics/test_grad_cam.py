"""Grad-CAM, and the masks that are made of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from gst.batch import collate
from gst.building import build
from gst.signatures import weights_hash
from gst.tracking import read_lines
from gst_metrics.character_masks import CharacterMasks
from gst_metrics.grad_cam import grad_cam, heat_map


@pytest.fixture(scope="module")
def data():
    return build("dataset", "story-world", size=32, train=12, val=8, test=8)


@pytest.fixture(scope="module")
def classifier(data):
    torch.manual_seed(0)
    options = {"stem_type": "", "channels": [8, 8, 8, 8]}
    made = build(
        "scorer",
        "character-classifier",
        model="resnet10t",
        model_options=options,
        stage=2,
        cast=data.cast,
        frame_size=data.frame_size,
    )
    with torch.no_grad():
        made.head["characters"].bias += torch.tensor([0.0, 5, 5, -5, 5, 0, 5, -5, 0])  # sees some, and not others
    return made.eval()


def test_against_hooks_on_the_backbone(classifier, data):
    """Activations and gradients as they pass the last stage of the whole network, one frame and character at a time."""
    frames = collate(data.split("val")[:1]).frames[0]
    maps, logits = grad_cam(classifier, frames)
    kept = {}
    stage = classifier.backbone.layer2
    hooks = [
        stage.register_forward_hook(lambda _, __, out: kept.update(a=out.detach())),
        stage.register_full_backward_hook(lambda _, __, out: kept.update(g=out[0].detach())),
    ]
    for n in range(5):
        for c in range(9):
            classifier.zero_grad()
            score = classifier.score(frames[n : n + 1])["characters"][0, c]
            score.backward()
            a, g = kept["a"][0].double(), kept["g"][0].double()
            expected = sum(a[k] * g[k].mean() for k in range(len(a))).clamp_min(0)
            torch.testing.assert_close(maps[n, c].double(), expected, atol=1e-7, rtol=1e-4)
            torch.testing.assert_close(logits[n, c], score.detach())
    for hook in hooks:
        hook.remove()
    assert maps.max() > 0
    assert not maps.requires_grad


def test_of_this_head_it_is_cam(classifier, data):
    """The logit is a log-mean-exp of a linear map at every place, so the weights are the head's over h * w."""
    frames = collate(data.split("val")[:2]).frames.flatten(0, 1)
    maps, _ = grad_cam(classifier, frames)
    with torch.no_grad():
        grid = classifier.feature_map(frames)
        cam = torch.einsum("ck,nkij->ncij", classifier.head["characters"].weight, grid).clamp_min(0)
    torch.testing.assert_close(maps, cam / (grid.shape[2] * grid.shape[3]), atol=1e-7, rtol=1e-4)


def test_heat_is_of_those_who_are_seen(classifier, data):
    frames = collate(data.split("val")[:2]).frames.flatten(0, 1)
    maps, logits = grad_cam(classifier, frames)
    heat = heat_map(classifier, frames)
    assert heat.shape == (10, 32, 32)
    assert 0 < (logits > 0).float().mean() < 1
    for n in range(10):
        expected = torch.zeros(32, 32)
        for c in range(9):
            if logits[n, c] > 0 and maps[n, c].max() > 0:
                scaled = (maps[n, c] / maps[n, c].max())[None, None]
                large = functional.interpolate(scaled, (32, 32), mode="bilinear", align_corners=False)[0, 0]
                expected = torch.maximum(expected, large)
        torch.testing.assert_close(heat[n], expected)


def test_nobody_seen_is_no_heat(classifier, data):
    frames = collate(data.split("val")[:1]).frames[0]
    before = classifier.head["characters"].bias.detach().clone()
    with torch.no_grad():
        classifier.head["characters"].bias.fill_(-1e3)
    assert not heat_map(classifier, frames).any()
    with torch.no_grad():
        classifier.head["characters"].bias.copy_(before)


def test_step_gives_the_same_stories_with_masks(classifier, data, step_context):
    split, before = data.split("train"), weights_hash(classifier)
    step = CharacterMasks(classifier=classifier, data=split, threshold=0.4, batch_size=5)
    context = step_context("masks")
    stories = step.run(context)["stories"]
    assert len(stories) == len(split) == 12
    assert weights_hash(classifier) == before
    assert stories.dataset.extras.keys() == {*data.extras, "grad_cam"}
    assert stories.source == split.fingerprint() != stories.fingerprint()
    ious = []
    for i in (0, 11):
        story, plain = stories[i], split[i]
        assert np.array_equal(story.frames, plain.frames)
        assert story.captions == plain.captions == stories.captions(i)
        heat = heat_map(classifier, collate([plain]).frames[0])
        assert np.array_equal(story.extras["grad_cam"], (heat >= 0.4).numpy())
    for i in range(12):
        found, truth = stories[i].extras["grad_cam"], stories[i].extras["mask"]
        ious += [(f & t).sum() / (f | t).sum() for f, t in zip(found, truth, strict=True)]
    (line,) = read_lines(context.work / "metrics.jsonl")
    assert line["scalars"]["mask_iou"] == pytest.approx(np.mean(ious))
    shares = [split[i].extras["mask"].mean() for i in range(12)]
    assert line["scalars"]["mask_share_true"] == pytest.approx(np.mean(shares))


def test_masks_do_not_depend_on_grouping(classifier, data, step_context):
    split = data.split("train")
    whole = CharacterMasks(classifier=classifier, data=split).run(step_context("a"))["stories"]
    parts = CharacterMasks(classifier=classifier, data=split, batch_size=1, stories=3).run(step_context("b"))["stories"]
    assert len(parts) == 3
    for i in range(3):
        same = whole[i].extras["grad_cam"] == parts[i].extras["grad_cam"]
        assert same.mean() > 0.999  # other shapes round differently


def test_a_killed_step_goes_on(classifier, data, step_context):
    context = step_context("masks")
    step = CharacterMasks(classifier=classifier, data=data.split("train"), batch_size=4)
    step.run(context)
    for number, part in enumerate(sorted(context.work.glob("chunk-*.npy"))):
        if number != 1:
            np.save(part, np.ones_like(np.load(part)))
    again = step.run(context)["stories"]
    assert again[0].extras["grad_cam"].all()
    assert not again[4].extras["grad_cam"].all()


def test_before_the_run(classifier, data, step_context):
    """What a dry run asks: how long it takes, and stories of the right shape for the steps after it."""
    step = CharacterMasks(classifier=classifier, data=data.split("train"), stories=5)
    assert step.probe(step_context("masks")).seconds > 0
    stories = step.stand_in(step_context("masks"))["stories"]
    assert len(stories) == 5
    assert stories[4].extras["grad_cam"].shape == (5, 32, 32)
    assert not stories[4].extras["grad_cam"].any()
