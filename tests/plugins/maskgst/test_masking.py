from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gst.condition import Text
from gst_maskgst.masking import Drops, draw_mask, trim

SHAPE = (50, 40, 16)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_mask_is_uniform_and_follows_the_schedule() -> None:
    mask = draw_mask("cosine", 1.0, SHAPE, False, generator())
    counts = mask.sum(-1)
    assert counts.min() >= 1
    assert mask.float().mean((0, 1)).sub(mask.float().mean()).abs().max() < 0.03  # no position is preferred
    # E[ceil(16 cos(pi r / 2))] = sum over k of P(count >= k) = sum of 2/pi acos((k - 1) / 16)
    expected = sum(2 / torch.pi * torch.acos(torch.tensor((k - 1) / 16)) for k in range(1, 17))
    assert counts.float().mean() == pytest.approx(float(expected), rel=0.03)


def test_mask_min_and_shared() -> None:
    half = draw_mask("linear", 0.5, SHAPE, False, generator()).sum(-1)
    assert half.min() in (8, 9)
    assert half.max() == 16
    shared = draw_mask("linear", 1.0, SHAPE, True, generator()).sum(-1)
    assert (shared == shared[:, :1]).all()
    assert shared.unique().numel() > 5


def test_all_randomness_is_the_generators() -> None:
    first = draw_mask("cosine", 1.0, SHAPE, False, generator(3))
    torch.rand(5)
    assert torch.equal(first, draw_mask("cosine", 1.0, SHAPE, False, generator(3)))
    assert not torch.equal(first, draw_mask("cosine", 1.0, SHAPE, False, generator(4)))


def test_drop_rates(condition) -> None:
    many = condition([5] * 4000)
    dropped = Drops(text_frame=0.2, text_story=0.1, characters=0.15, all=0.05).apply(many, generator())
    no_text, no_characters = ~dropped.text_shown, ~dropped.characters_shown
    assert no_text.float().mean() == pytest.approx(1 - 0.8 * 0.9 * 0.95, abs=0.02)
    assert no_text.all(1).float().mean() == pytest.approx(1 - 0.9 * 0.95, abs=0.02)
    assert no_characters.float().mean() == pytest.approx(1 - 0.85 * 0.95, abs=0.02)
    assert (no_characters.all(1) == no_characters.any(1)).all()  # characters go for a whole story
    assert (no_characters & no_text).all(1).float().mean() == pytest.approx(0.05 + 0.95 * 0.15 * 0.1, abs=0.015)


def test_no_rate_drops_nothing(condition) -> None:
    kept = Drops(0, 0, 0, 0).apply(condition([5, 3]), generator())
    assert kept.text_shown.all()
    assert kept.characters_shown.all()


@pytest.mark.parametrize(("longest", "kept"), [(1, 8), (8, 8), (9, 16), (20, 20)])
def test_trim_cuts_padding_only_and_in_blocks(condition, longest: int, kept: int) -> None:
    full = condition([3, 2], words=4)
    data, mask = torch.ones(2, 3, 20, dtype=torch.long), torch.zeros(2, 3, 20, dtype=torch.bool)
    mask[:, :, :longest] = full.frame_mask[..., None]
    cut = trim(replace(full, text=Text(data, mask)))
    assert cut.text.data.shape[2] == cut.text.mask.shape[2] == kept
    assert cut.text.mask.sum() == mask.sum()
    silent = replace(full, text=Text(data, torch.zeros_like(mask)))
    assert trim(silent).text.data.shape[2] == 8
