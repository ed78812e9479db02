"""k-means, to start a codebook at the encoder's outputs."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_ONE_HOT = 2**24


def nearest(points: Tensor, centres: Tensor) -> Tensor:
    """int64 (M,): the centre (K, D) nearest to each point (M, D), by Euclidean distance; the first of equals."""
    return (centres.square().sum(1) - 2.0 * points @ centres.T).argmin(1)


def group_sums(points: Tensor, groups: Tensor, count: int) -> Tensor:
    """(count, D): the sum of the points of each group.

    A product with one-hot rows, in blocks of `_ONE_HOT` numbers: unlike scattered additions it gives the same bits on a
    GPU every time.
    """
    total = points.new_zeros(count, points.shape[1])
    rows = max(1, _ONE_HOT // count)
    for part, ids in zip(torch.split(points, rows), torch.split(groups, rows), strict=True):
        total += torch.nn.functional.one_hot(ids, count).to(points.dtype).T @ part
    return total


def kmeans(points: Tensor, count: int, generator: torch.Generator, iterations: int = 10) -> tuple[Tensor, Tensor]:
    """Lloyd's algorithm from a greedy k-means++ start (Arthur and Vassilvitskii 2007).

    A centre that loses all its points stays where it was.

    Args:
        points: float (M, D).
        count: K. Where there are fewer different points, some centres coincide.
        generator: the only source of randomness.
        iterations: Lloyd's steps.

    Returns:
        centres (K, D), and how many points each has, float (K,).
    """
    centres = _spread(points, count, generator)
    ids = nearest(points, centres)
    for _ in range(iterations):
        sizes = torch.bincount(ids, minlength=count).to(points.dtype)
        means = group_sums(points, ids, count) / sizes.clamp_min(1.0)[:, None]
        centres = torch.where(sizes[:, None] > 0, means, centres)
        ids = nearest(points, centres)
    return centres, torch.bincount(ids, minlength=count).to(points.dtype)


def _spread(points: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Greedy k-means++: candidates are points drawn in proportion to their squared distance to the centres so far; the
    one that leaves the least distance in all is the next centre."""
    tries = 2 + int(math.log(count))
    draws = torch.rand(count, tries, generator=generator, device=generator.device, dtype=torch.float64)
    draws = draws.to(points.device)
    lengths = points.square().sum(1)
    distance = torch.full_like(lengths, torch.inf)
    picked = points.new_empty(count, points.shape[1])
    for k in range(count):
        chances = torch.ones_like(distance) if k == 0 else distance
        edges = chances.double().cumsum(0)
        candidates = torch.searchsorted(edges, draws[k] * edges[-1]).clamp_max(len(points) - 1)
        apart = (lengths + lengths[candidates, None] - 2.0 * points[candidates] @ points.T).clamp_min(0.0)
        left = torch.minimum(distance, apart)
        best = left.sum(1).argmin()
        picked[k], distance = points[candidates[best]], left[best]
    return picked
