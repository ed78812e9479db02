"""What all codebooks share: lookup, straight-through gradient, start, revival of dead codes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gst_vq.kmeans import kmeans, nearest


@dataclass(frozen=True)
class Quantized:
    """N grids after quantisation.

    Args:
        codes: (N, D, h, w), the nearest codes; their gradient goes to the encoder's output unchanged.
        ids: int64 (N, h, w).
        loss: what the codebook adds to the loss, the commitment weighted by beta included.
        commitment: mean squared distance of the encoder's output to its code, unweighted.
    """

    codes: Tensor
    ids: Tensor
    loss: Tensor
    commitment: Tensor


class Codebook(nn.Module, ABC):
    """K vectors of D numbers (VQ-VAE, van den Oord et al. 2017, https://arxiv.org/abs/1711.00937).

    In training mode `forward` remembers the encoder's outputs until `update` is called once the step is done; so
    learning by moving averages, the counts and revival see the whole step, however many micro-batches it had.
    Distances and averages are computed in float32 under any autocast.

    Args:
        size: K.
        dim: D.
        beta: weight of the commitment ||z - sg[e]||^2 (mean over all numbers).
        cosine: codes and encoder outputs are scaled to length 1 before they are compared (ViT-VQGAN, Yu et al. 2021,
            https://arxiv.org/abs/2110.04627).
        init: "kmeans" starts the codes from the first training batch, "random" from small random numbers.
        decay: of the moving averages, a step.
        revive_below: a code used less often than this share of even use (1/K of all places), by moving average, is put
            on a random encoder output of the step. 0 leaves dead codes alone.
    """

    counts: Tensor
    started: Tensor

    def __init__(
        self,
        *,
        size: int,
        dim: int,
        beta: float,
        cosine: bool,
        init: Literal["kmeans", "random"],
        decay: float,
        revive_below: float,
    ) -> None:
        super().__init__()
        self.size, self.dim, self.beta, self.cosine = size, dim, beta, cosine
        self.decay, self.revive_below = decay, revive_below
        self.register_buffer("counts", torch.ones(size))
        self.register_buffer("started", torch.tensor(init == "random"))
        self._seen: list[tuple[Tensor, Tensor]] = []
        self.create(torch.empty(size, dim).uniform_(-1.0 / size, 1.0 / size))

    @abstractmethod
    def create(self, codes: Tensor) -> None:
        """Hold (K, D) as the first codes. Called once, by `__init__`."""

    @property
    @abstractmethod
    def vectors(self) -> Tensor:
        """(K, D), the codes as they are compared and decoded."""

    @abstractmethod
    def put(self, which: Tensor, codes: Tensor, counts: Tensor) -> None:
        """Set the codes at the indices `which` (n,) to (n, D), as if each had been used `counts` (n,) times a step."""

    @abstractmethod
    def learn(self, points: Tensor, ids: Tensor) -> None:
        """Learn from one step's outputs (M, D) and their codes (M,). Called after `counts` has taken the step in."""

    @abstractmethod
    def codebook_loss(self, points: Tensor, codes: Tensor) -> Tensor:
        """What trains the codes by gradient; zero where they learn otherwise."""

    def lookup(self, z: Tensor) -> Tensor:
        """(N, D, h, w) -> int64 ids (N, h, w) of the nearest codes."""
        with torch.autocast(z.device.type, enabled=False):
            ids = nearest(self._points(z), self.vectors)
        return ids.view(z.shape[0], *z.shape[2:])

    def embed(self, ids: Tensor) -> Tensor:
        """int64 (...) -> codes (..., D)."""
        return self.vectors[ids]

    def forward(self, z: Tensor, generator: torch.Generator) -> Quantized:
        """Quantise the encoder's output (N, D, h, w)."""
        with torch.autocast(z.device.type, enabled=False):
            points = self._points(z)
            known = points.detach()
            if self.training and not self.started:
                centres, sizes = kmeans(known, self.size, generator)
                # As much weight as one step has in the averages: the encoder changes fast now, and codes must keep up.
                self.put(torch.arange(self.size, device=z.device), centres, sizes * (1.0 - self.decay))
                self.started.fill_(True)
            ids = nearest(known, self.vectors.detach())
            if self.training:
                self._seen.append((known, ids))
            codes = self.vectors[ids]
            commitment = F.mse_loss(points, codes.detach())
            loss = self.codebook_loss(known, codes) + self.beta * commitment
            through = points + (codes - points).detach()
        n, _, h, w = z.shape
        return Quantized(through.view(n, h, w, self.dim).permute(0, 3, 1, 2), ids.view(n, h, w), loss, commitment)

    @torch.no_grad()
    def update(self, generator: torch.Generator) -> dict[str, float]:
        """Take in what was seen since the last call, and revive dead codes.

        Returns:
            `usage`: share of the codes used in this step. `perplexity`: exp of the entropy of their frequencies, K for
            even use. `revived`: codes that were dead.
        """
        if not self._seen:
            return {}
        points = torch.cat([points for points, _ in self._seen])
        ids = torch.cat([ids for _, ids in self._seen])
        self._seen.clear()
        used = torch.bincount(ids, minlength=self.size).to(self.counts.dtype)
        self.counts.lerp_(used, 1.0 - self.decay)
        self.learn(points, ids)
        share = used / used.sum()
        return {
            "usage": (used > 0).float().mean().item(),
            "perplexity": torch.special.entr(share).sum().exp().item(),
            "revived": float(self._revive(points, generator)),
        }

    def _revive(self, points: Tensor, generator: torch.Generator) -> int:
        least = self.revive_below * self.counts.mean()
        dead = (self.counts < least).nonzero().flatten()[: len(points)]
        if len(dead):
            chosen = torch.randperm(len(points), generator=generator, device=generator.device)[: len(dead)]
            self.put(dead, points[chosen.to(points.device)], least.expand(len(dead)))
        return len(dead)

    def _points(self, z: Tensor) -> Tensor:
        points = z.float().permute(0, 2, 3, 1).reshape(-1, self.dim)
        return F.normalize(points, dim=1) if self.cosine else points
