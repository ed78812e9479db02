"""A codebook that learns by gradient."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gst_vq.codebook import Codebook


class GradientCodebook(Codebook):
    """Codes are parameters, drawn to the encoder's outputs by the mean of ||sg[z] - e||^2 (VQ-VAE, eq. 3)."""

    def create(self, codes: Tensor) -> None:
        self.codes = nn.Parameter(codes)

    @property
    def vectors(self) -> Tensor:
        return F.normalize(self.codes, dim=1) if self.cosine else self.codes

    @torch.no_grad()
    def put(self, which: Tensor, codes: Tensor, counts: Tensor) -> None:
        self.codes[which] = codes
        self.counts[which] = counts

    def learn(self, points: Tensor, ids: Tensor) -> None:
        """Nothing: the optimizer does it."""

    def codebook_loss(self, points: Tensor, codes: Tensor) -> Tensor:
        return F.mse_loss(codes, points)
