"""The Fréchet distance between two sets of features, taken as normal distributions (Dowson & Landau 1982)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Normal:
    """Mean (D,) and unbiased covariance (D, D) of features."""

    mean: Array
    covariance: Array

    @classmethod
    def of(cls, features: Array, times: Array | None = None) -> Normal:
        """Moments of features (N, D) in float64, each counted `times` (N,) times (default: once)."""
        weights = np.ones(len(features))
        if times is not None:
            features, weights = features[times > 0], times[times > 0]
        total = weights.sum()
        mean = weights @ features / total
        centred = (features - mean) * np.sqrt(weights)[:, None]
        return cls(mean, centred.T @ centred / (total - 1))


def frechet_distance(a: Normal, b: Normal) -> float:
    """|mean a - mean b|^2 + tr(A) + tr(B) - 2 tr((A B)^1/2), as in FID (Heusel et al. 2017, eq. 6).

    The trace of the root is the sum of the roots of the eigenvalues of A^1/2 B A^1/2, a symmetric matrix with the same
    eigenvalues as A B: exact for singular covariances too, where the root of A B needs a correction.
    """
    values, vectors = np.linalg.eigh(a.covariance)
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    product = root @ b.covariance @ root
    trace = np.sqrt(np.linalg.eigvalsh((product + product.T) / 2).clip(min=0)).sum()
    gap = a.mean - b.mean
    distance = gap @ gap + np.trace(a.covariance) + np.trace(b.covariance) - 2 * trace
    # It is never negative; rounding leaves something like -1e-9 for equal distributions.
    return max(0.0, float(distance))
