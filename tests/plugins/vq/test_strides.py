from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gst_vq.strides import split_factor


@given(factor=st.integers(1, 400), levels=st.integers(1, 5))
def test_strides_multiply_to_the_factor(factor: int, levels: int) -> None:
    strides = split_factor(factor, levels)
    assert len(strides) == levels
    assert math.prod(strides) == factor
    assert list(strides) == sorted(strides, reverse=True)


@pytest.mark.parametrize(
    ("factor", "levels", "strides"),
    [(8, 3, (2, 2, 2)), (16, 2, (4, 4)), (12, 2, (4, 3)), (2, 3, (2, 1, 1)), (1, 0, ()), (6, 1, (6,))],
)
def test_examples(factor: int, levels: int, strides: tuple[int, ...]) -> None:
    assert split_factor(factor, levels) == strides


def test_no_level_takes_no_factor() -> None:
    with pytest.raises(ValueError, match="factor of 2"):
        split_factor(2, 0)
