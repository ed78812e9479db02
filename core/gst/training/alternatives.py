"""Which caption of a frame a training example is told: its own, or one that a writer wrote in its place."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gst.errors import DataError


@dataclass(frozen=True)
class Alternatives:
    """Draws, for each frame and epoch, the original caption or the alternative one (MaskGST thesis, section 8.4).

    The draw depends on (seed, story, frame, epoch) alone, so a training that goes on where it was killed sees the same
    captions.

    Args:
        captions: story id -> the alternative of each of its T captions, None where a frame has none. Stories that are
            not in it keep their own captions.
        rate: how often the alternative is taken.
        seed: of the training step.
    """

    captions: Mapping[str, Sequence[str | None]]
    rate: float
    seed: int

    def draw(self, story: str, captions: Sequence[str], epoch: int) -> tuple[str, ...]:
        """The captions that a story is told in an epoch.

        Raises:
            DataError: it has another number of alternatives than of captions.
        """
        others = self.captions.get(story)
        if others is None:
            return tuple(captions)
        if len(others) != len(captions):
            raise DataError(f"story {story!r} has {len(captions)} captions, and {len(others)} were written for it")
        return tuple(
            own if other is None or self._share(story, frame, epoch) >= self.rate else other
            for frame, (own, other) in enumerate(zip(captions, others, strict=True))
        )

    def _share(self, story: str, frame: int, epoch: int) -> float:
        """Uniform in [0, 1)."""
        key = f"{self.seed}\0{story}\0{frame}\0{epoch}".encode()
        return int.from_bytes(hashlib.blake2b(key, digest_size=6).digest(), "little") / 2**48
