"""Two codebooks for one picture: one for what is background, one for characters."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gst_vq.codebook import Codebook, Quantized


@dataclass(frozen=True)
class DualQuantized(Quantized):
    """N grids quantised with two libraries; `codes` and `ids` are mixed by the mask.

    Args:
        characters: (N, D, h, w), the codes of the character library at all places.
    """

    characters: Tensor


class DualCodebook(nn.Module):
    """Two libraries of K codes, each behind a 1 x 1 filter of its own (MaskGST thesis, section 8.7.2).

    z_bg and z_char are the grid through each filter and its library, at all places; the result is
    z_bg * M_bg + z_char * (1 - M_bg), where M_bg is 1 at background. (The thesis prints M_bg twice in eq. 8.7.2; only
    this reading agrees with its text.) Both libraries learn from all places. Ids of the background library are
    [0, K), those of the character library [K, 2K).

    Args:
        background: the library of K codes for background.
        characters: the one for characters, of the same size.
    """

    def __init__(self, background: Codebook, characters: Codebook) -> None:
        super().__init__()
        self.background, self.characters = background, characters
        self.filter_background, self.filter_characters = (nn.Conv2d(background.dim, background.dim, 1) for _ in "12")

    @property
    def size(self) -> int:
        """2K."""
        return self.background.size + self.characters.size

    def forward(self, z: Tensor, generator: torch.Generator, background: Tensor) -> DualQuantized:
        """Quantise the encoder's output (N, D, h, w), where `background` is bool (N, h, w)."""
        behind = self.background(self.filter_background(z), generator)
        front = self.characters(self.filter_characters(z), generator)
        return DualQuantized(
            codes=torch.where(background[:, None], behind.codes, front.codes),
            ids=torch.where(background, behind.ids, self.background.size + front.ids),
            loss=behind.loss + front.loss,
            commitment=behind.commitment + front.commitment,
            characters=front.codes,
        )

    def lookup_each(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """(N, D, h, w) -> ids (N, h, w) of the nearest background codes, and of the nearest character codes."""
        behind = self.background.lookup(self.filter_background(z))
        return behind, self.background.size + self.characters.lookup(self.filter_characters(z))

    def lookup(self, z: Tensor, background: Tensor) -> Tensor:
        """(N, D, h, w) -> ids (N, h, w), of the library that `background`, bool (N, h, w), says."""
        return torch.where(background, *self.lookup_each(z))

    def embed(self, ids: Tensor) -> Tensor:
        """int64 (...) in [0, 2K) -> codes (..., D)."""
        return torch.cat([self.background.vectors, self.characters.vectors])[ids]

    def update(self, generator: torch.Generator) -> dict[str, float]:
        """As `Codebook.update`, for both; names end in the library's."""
        return {
            f"{name}_{which}": value
            for which, library in (("background", self.background), ("characters", self.characters))
            for name, value in library.update(generator).items()
        }
