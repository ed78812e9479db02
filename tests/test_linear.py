"""The linear map that keeps its weight in autocast's type, against torch's own."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from gst.nn.ema import EMA
from gst.nn.linear import Linear


def low() -> torch.autocast:
    return torch.autocast("cpu", torch.bfloat16)


@pytest.fixture
def pair() -> tuple[Linear, nn.Linear, torch.Tensor]:
    torch.manual_seed(0)
    ours, theirs = Linear(24, 40), nn.Linear(24, 40)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs, torch.randn(3, 5, 24)


@torch.no_grad()
def test_equal_to_the_bit_and_converted_once(pair) -> None:
    ours, theirs, x = pair
    assert torch.equal(ours(x), theirs(x))
    with low():
        assert torch.equal(ours(x), theirs(x))
        assert torch.equal(ours(x.bfloat16()), theirs(x.bfloat16()))
    kept = ours._kept[1]
    with low():
        ours(x)
    assert ours._kept[1] is kept
    with torch.inference_mode(), low():
        assert torch.equal(ours(x), theirs(x))


def test_no_weight_that_has_changed_is_used(pair) -> None:
    ours, theirs, x = pair

    def check() -> None:
        theirs.load_state_dict(ours.state_dict())
        with torch.no_grad(), low():
            assert torch.equal(ours(x), theirs(x))

    check()
    with torch.no_grad():
        ours.weight.mul_(2)
    check()
    average = EMA(dict(ours.named_parameters()), 0.5)
    optimizer = torch.optim.AdamW(ours.parameters(), lr=0.1, fused=True)
    for _ in range(3):
        with low():
            ours(x).sum().backward()
        optimizer.step()
        average.update()
        check()
        with average.applied():
            check()
        check()
    ours.load_state_dict({name: value + 1 for name, value in ours.state_dict().items()})
    check()
    ours.weight.data = ours.weight.data * 3
    check()


def test_training_keeps_nothing_and_gets_its_gradients(pair) -> None:
    ours, theirs, x = pair
    with torch.no_grad(), low():
        ours(x)
    for linear in (ours, theirs):
        with low():
            linear(x).square().sum().backward()
    assert ours._kept is None
    torch.testing.assert_close(ours.weight.grad, theirs.weight.grad, rtol=0, atol=0)


def test_copies_and_saved_weights_know_nothing_of_it(pair) -> None:
    ours, theirs, x = pair
    with torch.no_grad(), low():
        ours(x)
        other = copy.deepcopy(ours)
        other.weight.zero_()
        other.bias.zero_()
        assert not other(x).any()
        assert torch.equal(ours(x), theirs(x))
    assert ours.state_dict().keys() == theirs.state_dict().keys()
