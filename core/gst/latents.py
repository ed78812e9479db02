"""What lies between a tokenizer and a prior: token ids or features on a grid, and their description."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from torch import Tensor


@dataclass(frozen=True)
class LatentSpec:
    """The shape and meaning of a tokenizer's latents.

    Args:
        kind: "ids" for indices into a codebook, "float" for features.
        grid: (h, w), rows and columns of the grid.
        vocab: number of ids; a dual codebook of two libraries of K is one vocabulary of 2K. 0 for features.
        channels: channels of features. 0 for ids.
        frame_size: (H, W) in pixels of the frames these latents stand for.
        libraries: codebooks of equal size that the vocabulary is made of, one after the other. Two are a dual codebook:
            the ids below vocab / 2 show background, the others characters.
    """

    kind: Literal["ids", "float"]
    grid: tuple[int, int]
    vocab: int = 0
    channels: int = 0
    frame_size: tuple[int, int] = (64, 64)
    libraries: int = 1

    @property
    def tokens(self) -> int:
        """Tokens a frame, h * w."""
        return self.grid[0] * self.grid[1]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> LatentSpec:
        return cls(**{**data, "grid": tuple(data["grid"]), "frame_size": tuple(data["frame_size"])})


@dataclass
class Latents:
    """Latents of B stories: int64 ids (B, T, h, w) in [0, vocab), or floats (B, T, c, h, w); `spec` says which."""

    data: Tensor
    spec: LatentSpec

    def to(self, device: Any) -> Latents:
        return Latents(self.data.to(device), self.spec)
