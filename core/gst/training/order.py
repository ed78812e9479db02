"""The order of examples as a function of (seed, stream, position) alone, so that a resumed run needs no replay."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray


class Order:
    """Endless shuffled epochs over `count` examples.

    Position p is example perm(seed, stream, p // count)[p % count]; a batch that crosses the end of an epoch goes on in
    the next one, so no example is left out and no batch is short.

    Args:
        count: examples an epoch.
        seed: of the training step.
        stream: name of the data stream; streams are shuffled apart.
    """

    def __init__(self, count: int, seed: int, stream: str) -> None:
        self.count, self.seed, self.stream = count, seed, stream
        self._epochs: dict[int, NDArray[np.int64]] = {}

    def take(self, first: int, n: int) -> list[int]:
        """The examples at positions first .. first + n - 1."""
        return [int(self._epoch(p // self.count)[p % self.count]) for p in range(first, first + n)]

    def _epoch(self, epoch: int) -> NDArray[np.int64]:
        if epoch not in self._epochs:
            digest = hashlib.blake2b(f"{self.seed}\0{self.stream}\0{epoch}".encode(), digest_size=16).digest()
            stream = np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))
            for old in [e for e in self._epochs if e < epoch - 1]:
                del self._epochs[old]
            self._epochs[epoch] = stream.permutation(self.count)
        return self._epochs[epoch]
