"""How large the models are that are compared."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """One size, the same for all sides.

    Args:
        dim: width.
        depth: layers.
        heads: attention heads.
        head_dim: width of a head.
        grid: rows, and columns, of image tokens a frame.
        vocab: codebook size.
        frames: frames of the one story that is trained on or drawn.
        words: text rows a caption; all of them are real, none is padding.
        word_dim: width of the text encoder's features, which are given to all sides alike.
        steps: decoding steps of a story.
    """

    dim: int
    depth: int
    heads: int
    head_dim: int
    grid: int = 8
    vocab: int = 128
    frames: int = 5
    words: int = 40
    word_dim: int = 768
    steps: int = 12


SIZES = {
    "1024": Size(dim=1024, depth=6, heads=8, head_dim=128),
    "256": Size(dim=256, depth=6, heads=4, head_dim=64),
    "tiny": Size(dim=32, depth=2, heads=2, head_dim=16, grid=2, vocab=16, frames=2, words=3, word_dim=8, steps=2),
}
