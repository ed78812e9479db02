from __future__ import annotations

from typing import Literal

import pytest
import torch

from gst.nn.discriminator import PatchDiscriminator


@pytest.mark.parametrize(("layers", "patch"), [(1, 16), (2, 34), (3, 70)])
def test_a_verdict_sees_its_patch_and_no_more(layers: int, patch: int) -> None:
    torch.manual_seed(0)
    judge = PatchDiscriminator(width=4, layers=layers).eval()
    picture = torch.randn(1, 3, 160, 160, requires_grad=True)
    verdicts = judge(picture)
    row, column = verdicts.shape[2] // 2, verdicts.shape[3] // 2
    verdicts[0, 0, row, column].backward()
    seen = picture.grad.abs().sum((0, 1)).nonzero()  # type: ignore[union-attr]
    assert (seen.max(0).values - seen.min(0).values + 1).tolist() == [patch, patch]


def test_layout_of_the_reference() -> None:
    with torch.device("meta"):
        judge = PatchDiscriminator()
    # 3 -> 64 -> 128 -> 256 -> 512 -> 1 with 4x4 kernels; biases at both ends, two numbers a channel for each norm.
    convolutions = 16 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512) + 64 + 1
    assert sum(p.numel() for p in judge.parameters()) == convolutions + 2 * (128 + 256 + 512)


@pytest.mark.parametrize("norm", ["batch", "group"])
def test_pictures_are_judged_alone_with_group_norm(norm: Literal["batch", "group"]) -> None:
    torch.manual_seed(0)
    judge = PatchDiscriminator(width=8, layers=2, norm=norm).train()
    pictures = torch.randn(4, 3, 32, 32)
    alone = judge(pictures[:1])
    assert torch.allclose(judge(pictures)[:1], alone, atol=1e-5) == (norm == "group")
