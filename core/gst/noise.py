"""Noise that depends on (seed, story id, frame, step) alone, so that grouping and process count change no token."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

_TINY = 1e-20


class Noise:
    """Random numbers of B stories of T frames.

    Every frame of every step draws from its own Philox counter stream, keyed by a hash of (seed, story id, frame) and
    counted by (step, name): no draw depends on which stories share a batch, nor on how many draws came before.

    Args:
        seed: the sampling seed.
        ids: the stories' ids.
        frames: T.
        device: where the tensors are put; the numbers are drawn on the CPU and are the same on every device.
        stage: keeps several models that draw the same stories one after the other apart; "" for the first.
    """

    def __init__(
        self, seed: int, ids: Sequence[str], frames: int, device: torch.device | str = "cpu", *, stage: str = ""
    ) -> None:
        self.seed, self.ids, self.frames, self.device = seed, tuple(ids), frames, device
        self._keys = [[_key(seed, story, frame, stage) for frame in range(frames)] for story in self.ids]

    def uniform(self, shape: tuple[int, ...], *, step: int, name: str) -> Tensor:
        """float32 (B, T, *shape) in [0, 1). `name` keeps several draws of one step apart."""
        return self._draw(shape, step, name, normal=False)

    def normal(self, shape: tuple[int, ...], *, step: int, name: str) -> Tensor:
        """float32 (B, T, *shape), standard normal."""
        return self._draw(shape, step, name, normal=True)

    def gumbel(self, shape: tuple[int, ...], *, step: int, name: str) -> Tensor:
        """float32 (B, T, *shape), standard Gumbel: -log(-log u)."""
        u = self.uniform(shape, step=step, name=name).double().clamp_min(_TINY)
        return -torch.log((-torch.log(u)).clamp_min(_TINY)).float()

    def _draw(self, shape: tuple[int, ...], step: int, name: str, *, normal: bool) -> Tensor:
        tag = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")
        out = np.empty((len(self.ids), self.frames, *shape), np.float32)
        for b, keys in enumerate(self._keys):
            for t, key in enumerate(keys):
                stream = np.random.Generator(np.random.Philox(key=key, counter=[0, 0, step, tag]))
                out[b, t] = (stream.standard_normal if normal else stream.random)(shape, np.float32)
        return torch.from_numpy(out).to(self.device)


def _key(seed: int, story: str, frame: int, stage: str) -> int:
    parts = [str(seed), story, str(frame), *([stage] if stage else [])]
    digest = hashlib.blake2b("\0".join(parts).encode(), digest_size=16).digest()
    return int.from_bytes(digest, "little")
