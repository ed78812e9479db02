"""Learned positions."""

from __future__ import annotations

from torch import Tensor, nn


class GridPositions(nn.Module):
    """Factored learned positions of an h x w grid: a row's vector plus a column's.

    Args:
        grid: (h, w).
        dim: width D.
    """

    def __init__(self, grid: tuple[int, int], dim: int) -> None:
        super().__init__()
        self.rows = nn.Embedding(grid[0], dim)
        self.columns = nn.Embedding(grid[1], dim)

    def forward(self) -> Tensor:
        """(h * w, D), row by row."""
        return (self.rows.weight[:, None] + self.columns.weight).flatten(0, 1)
