from __future__ import annotations

import pytest
import torch
from sklearn.cluster import KMeans
from torch import Tensor

from gst_vq.kmeans import group_sums, kmeans, nearest


def inertia(points: Tensor, centres: Tensor) -> float:
    return torch.cdist(points, centres).min(1).values.square().sum().item()


@pytest.mark.parametrize("clustered", [True, False])
def test_inertia_is_that_of_scikit_learn(clustered: bool) -> None:
    torch.manual_seed(0)
    points = torch.randn(600, 6)
    if clustered:
        points += 8 * torch.randn(12, 6)[torch.arange(600) % 12]
    centres, sizes = kmeans(points, 12, torch.Generator().manual_seed(0), iterations=30)
    reference = KMeans(12, n_init=1, init="k-means++", random_state=0, max_iter=30).fit(points.numpy())
    # One start each: both land in some local minimum.
    assert inertia(points, centres) < 1.25 * reference.inertia_
    assert torch.equal(sizes, torch.bincount(torch.cdist(points, centres).argmin(1), minlength=12).float())


def test_lloyd_iterations_are_those_of_scikit_learn() -> None:
    torch.manual_seed(0)
    points = torch.randn(300, 3)
    start, _ = kmeans(points, 5, torch.Generator().manual_seed(2), iterations=0)
    ours, _ = kmeans(points, 5, torch.Generator().manual_seed(2), iterations=7)
    reference = KMeans(5, init=start.numpy(), n_init=1, max_iter=7, tol=0.0, algorithm="lloyd").fit(points.numpy())
    assert inertia(points, ours) == pytest.approx(reference.inertia_, rel=0.02)


def test_same_generator_same_bits() -> None:
    points = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
    first, _ = kmeans(points, 6, torch.Generator().manual_seed(1))
    again, _ = kmeans(points, 6, torch.Generator().manual_seed(1))
    other, _ = kmeans(points, 6, torch.Generator().manual_seed(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_fewer_points_than_centres() -> None:
    points = torch.tensor([[0.0, 0.0], [1.0, 1.0], [1.0, 1.0]])
    centres, sizes = kmeans(points, 5, torch.Generator().manual_seed(0))
    assert torch.isfinite(centres).all()
    assert sizes.sum() == 3
    assert inertia(points, centres) == 0.0


def test_ties_go_to_the_first_centre() -> None:
    assert nearest(torch.zeros(1, 2), torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])).item() == 0


def test_group_sums_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gst_vq.kmeans._ONE_HOT", 30)
    torch.manual_seed(0)
    points, groups = torch.randn(11, 3), torch.tensor([0, 5, 5, 9, 7, 7, 7, 0, 1, 2, 5])
    expected = torch.zeros(10, 3).index_add_(0, groups, points)
    torch.testing.assert_close(group_sums(points, groups, 10), expected)
