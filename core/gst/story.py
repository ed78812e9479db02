"""A story: captions, pictures, and who is truly visible in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Story:
    """T captions and T frames. One picture is a story with T = 1.

    Args:
        id: unique in its data set and stable; noise in sampling depends on it.
        captions: T strings.
        frames: uint8 (T, 3, H, W).
        characters: bool (T, C), who is visible. This is truth, for losses and metrics; what a model is told is
            `Condition.characters`. None where the data set has no labels.
        extras: named arrays whose shape and meaning the data set declares in `Dataset.extras`.
    """

    id: str
    captions: tuple[str, ...]
    frames: NDArray[np.uint8]
    characters: NDArray[np.bool_] | None = None
    extras: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.captions)
