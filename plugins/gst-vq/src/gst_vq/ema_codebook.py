"""A codebook that learns by moving averages."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from gst_vq.codebook import Codebook
from gst_vq.kmeans import group_sums

_LEAST = 1e-6


class EMACodebook(Codebook):
    """Codes are moving averages of the encoder outputs they stand for (VQ-VAE, appendix A.1).

    A step, with n_k outputs z nearest to code k:
    N_k = decay N_k + (1 - decay) n_k;  m_k = decay m_k + (1 - decay) sum z;  e_k = m_k / N_k.
    """

    codes: Tensor
    sums: Tensor

    def create(self, codes: Tensor) -> None:
        codes = self._on_sphere(codes)
        self.register_buffer("codes", codes)
        self.register_buffer("sums", codes.clone())

    @property
    def vectors(self) -> Tensor:
        return self.codes

    def put(self, which: Tensor, codes: Tensor, counts: Tensor) -> None:
        self.codes[which] = self._on_sphere(codes)
        self.sums[which] = self.codes[which] * counts[:, None]
        self.counts[which] = counts

    def learn(self, points: Tensor, ids: Tensor) -> None:
        self.sums.lerp_(group_sums(points, ids, self.size), 1.0 - self.decay)
        means = self._on_sphere(self.sums / self.counts.clamp_min(_LEAST)[:, None])
        # A code that was hardly ever used keeps its place: both averages are close to zero there.
        self.codes.copy_(torch.where(self.counts[:, None] > _LEAST, means, self.codes))

    def codebook_loss(self, points: Tensor, codes: Tensor) -> Tensor:
        return points.new_zeros(())

    def _on_sphere(self, codes: Tensor) -> Tensor:
        return F.normalize(codes, dim=1) if self.cosine else codes
