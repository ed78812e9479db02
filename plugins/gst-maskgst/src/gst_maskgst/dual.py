"""MaskGST on a dual codebook: where the characters are first, then each place from its own library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from gst_maskgst.loss import MaskedLoss
from gst_maskgst.prior import MaskGST


class MaskGSTDual(MaskGST):
    """MaskGST for a tokenizer with two libraries of K codes, background and characters (thesis, section 8.7.4).

    Three linear layers read the image rows: K logits of background tokens, K of character tokens, and one of the
    background mask. L = L_char + L_background + L_mask: the mean cross-entropy of masked tokens that are character
    tokens, that of those that are background tokens, each over its own library, and the mean binary cross-entropy of
    the mask. The thesis writes L_mask over all places; here it is over the masked ones, since the others show by their
    tokens what they are.

    Drawing begins with one pass in which all tokens are masked: a place is background where the mask's probability is
    0.5 or more, and only that library's ids may be drawn there (`allowed`).

    All options are those of `maskgst`.
    """

    def _make_heads(self, dim: int, loss: Callable[[int], MaskedLoss]) -> None:
        if self.latents.libraries != 2:
            raise ValueError(
                "it models a dual codebook, and the tokenizer has one library; use prior maskgst, or tokenizer "
                "dual-vqgan"
            )
        self.size = self.latents.vocab // 2
        # The three layers side by side: background, characters, mask.
        self.head = nn.Linear(dim, 2 * self.size + 1)
        self.background_loss, self.character_loss = loss(self.size), loss(self.size)

    def predict(self, state: dict[str, Any], x: Tensor, t: float) -> tuple[Tensor, dict[str, Any]]:
        logits = self.head(self._hidden(state, x))[..., : 2 * self.size].float()
        return logits.unflatten(2, self.latents.grid), state

    def background(self, state: dict[str, Any]) -> Tensor:
        """bool (B, T, h, w): which places will be background, by one pass with all tokens masked."""
        shape = (*state["frames"].shape, *self.latents.grid)
        masked = torch.full(shape, self.mask_id, device=state["frames"].device)
        chance: Tensor = self.head(self._hidden(state, masked))[..., -1].float().sigmoid()
        return (chance >= 0.5).view(shape)

    def allowed(self, state: dict[str, Any]) -> Tensor:
        background = self.background(state)
        ids = torch.arange(self.latents.vocab, device=background.device)
        return (ids < self.size) == background[..., None]

    def _compare(self, read: Tensor, target: Tensor, share: Tensor) -> dict[str, Tensor]:
        """As in MaskGST, with the parts of the loss; a library of which no token is masked has no part."""
        background = target < self.size
        mask = read[:, -1]
        parts = {"mask_loss": functional.binary_cross_entropy_with_logits(mask, background.float())}
        logged = {"mask_accuracy": ((mask.detach() >= 0) == background).float().mean()}
        for name, library, chosen, first in (
            ("background", self.background_loss, background, 0),
            ("characters", self.character_loss, ~background, self.size),
        ):
            if bool(chosen.any()):
                logits = read[chosen, first : first + self.size]
                scalars = library(logits, target[chosen] - first, share[chosen])
                parts[f"{name}_loss"] = scalars.pop("loss")
                logged |= {f"{name}_{each}": value for each, value in scalars.items()}
        return {"loss": torch.stack(list(parts.values())).sum(), **{k: v.detach() for k, v in parts.items()}, **logged}
