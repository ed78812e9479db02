from __future__ import annotations

import pytest
import torch
from torch import nn

from gst.nn.attention import Attention, attend
from gst.nn.feedforward import FeedForward
from gst.nn.positions import GridPositions


def test_equals_torch_multihead_attention() -> None:
    theirs = nn.MultiheadAttention(32, 4, bias=False, batch_first=True)
    ours = Attention(32, 4, 8, qk_norm=False)
    query, key, value = theirs.in_proj_weight.chunk(3)
    with torch.no_grad():
        ours.query.weight.copy_(query)
        ours.key.weight.copy_(key)
        ours.value.weight.copy_(value)
        ours.out.weight.copy_(theirs.out_proj.weight)
    x, rows = torch.randn(3, 5, 32), torch.randn(3, 7, 32)
    mask = torch.rand(3, 7) < 0.6
    mask[:, 0] = True
    expected = theirs(x, rows, rows, key_padding_mask=~mask, need_weights=False)[0]
    torch.testing.assert_close(ours(x, ours.project(rows), mask), expected)


@pytest.mark.parametrize("qk_norm", [True, False])
def test_masked_rows_and_joined_rows(qk_norm: bool) -> None:
    attention = Attention(16, 2, 4, qk_norm=qk_norm)
    x, rows = torch.randn(2, 3, 16), torch.randn(2, 6, 16)
    mask = torch.tensor([True, True, True, True, False, False]).expand(2, -1)
    whole = attention(x, attention.project(rows), mask)
    torch.testing.assert_close(attention(x, attention.project(rows[:, :4])), whole)
    first, second = attention.project(rows[:, :1]), attention.project(rows[:, 1:4])
    torch.testing.assert_close(attention(x, first.join(second)), whole)


def test_a_query_that_sees_the_null_row_only_gets_its_value() -> None:
    attention = Attention(16, 2, 4, null=True)
    seen = attention.project(torch.randn(2, 5, 16))
    assert seen.key.shape == (2, 2, 6, 4)
    mask = torch.tensor([True] + [False] * 5).expand(2, -1)
    got = attention(torch.randn(2, 3, 16), seen, mask)
    torch.testing.assert_close(got, attention.nothing().expand_as(got))
    with pytest.raises(ValueError, match="null"):
        Attention(16, 2, 4).nothing()


def test_by_hand_and_fused_agree_in_value_and_gradient() -> None:
    mask = torch.rand(3, 9) < 0.7
    mask[:, 0] = True
    parts = [torch.randn(3, 2, rows, 8) for rows in (5, 9, 9)]
    results = []
    for dtype in (torch.float32, torch.bfloat16):
        inputs = [part.clone().to(dtype).requires_grad_() for part in parts]
        out = attend(*inputs, mask)
        out.float().square().sum().backward()
        with torch.no_grad():  # without a backward pass bfloat16 goes the fused way too
            torch.testing.assert_close(attend(*inputs, mask), out.detach(), atol=0.02, rtol=0.02)
        results.append([out, *(i.grad for i in inputs)])
    for exact, low in zip(*results, strict=True):
        torch.testing.assert_close(low.float(), exact, atol=0.15, rtol=0.05)


@pytest.mark.parametrize("activation", ["gelu", "silu", "geglu"])
@pytest.mark.parametrize("dim", [8, 256, 1024])
def test_both_feed_forwards_have_about_as_many_weights(activation: str, dim: int) -> None:
    with torch.device("meta"):
        block = FeedForward(dim, 4.0, activation)
    assert sum(p.numel() for p in block.parameters()) == pytest.approx(8 * dim**2, rel=0.15)
    assert block.down.in_features % (64 if dim > 8 else 8) == 0
    assert block(torch.empty(2, 3, dim, device="meta")).shape == (2, 3, dim)


def test_grid_positions_run_row_by_row() -> None:
    places = GridPositions((2, 3), 4)
    out = places()
    assert out.shape == (6, 4)
    torch.testing.assert_close(out[4], places.rows.weight[1] + places.columns.weight[1])
