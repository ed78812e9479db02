"""What every scorer shares."""

from __future__ import annotations

import gc

import pytest
import torch

from gst.errors import UsageError


def test_reads_stories_in_float32_without_gradients(scorer):
    frames = torch.rand(2, 3, 3, 16, 16) * 2 - 1
    with torch.autocast("cpu", torch.bfloat16):
        scores = scorer.read(frames)
    for name, score in scorer.score(frames.flatten(0, 1)).items():
        assert scores[name].dtype == torch.float32
        assert not scores[name].requires_grad
        assert torch.equal(scores[name].flatten(0, 1), score)


def test_scores_are_kept_as_long_as_the_pictures(scorer):
    frames = torch.rand(2, 3, 3, 16, 16)
    assert scorer.read(frames) is scorer.read(frames)
    assert len(scorer._seen) == 1
    del frames
    gc.collect()
    assert len(scorer._seen) == 0


def test_training_forgets_scores_and_forbids_reading(scorer):
    frames = torch.rand(1, 2, 3, 16, 16)
    before = scorer.read(frames)["characters"]
    scorer.train()
    with pytest.raises(UsageError, match="training mode"):
        scorer.read(frames)
    with torch.no_grad():
        scorer.sharpness.fill_(2.0)
    scorer.eval()
    assert torch.allclose(scorer.read(frames)["characters"], 2 * before)
