"""Cross-entropy on masked tokens, plain or weighed by how rare a token is."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_DECAY = 0.99
_BUCKETS = (0.25, 0.5, 0.75, 1.0)


class MaskedLoss(nn.Module):
    """Mean cross-entropy over masked tokens.

    With `rarity_weight` w > 0 every token counts (1 / frequency of its id)^w, scaled to mean 1 over the batch. This
    departs from the thesis: there every token counts the same, and a small model spends its first thousands of steps
    on the background, which most tokens show.

    Args:
        vocab: number of ids.
        label_smoothing: share of the target spread evenly over all ids.
        rarity_weight: w.
    """

    def __init__(self, vocab: int, label_smoothing: float, rarity_weight: float) -> None:
        super().__init__()
        self.label_smoothing, self.rarity_weight = label_smoothing, rarity_weight
        self.frequency: Tensor | None
        self.register_buffer("frequency", torch.full((vocab,), 1.0 / vocab) if rarity_weight else None)

    def forward(self, logits: Tensor, target: Tensor, share: Tensor) -> dict[str, Tensor]:
        """Loss and what to log.

        Args:
            logits: float32 (M, vocab) of the M masked tokens of real frames.
            target: int64 (M,).
            share: (M,), the share of masked tokens in each token's frame.

        Returns:
            "loss"; "accuracy"; "ce_25" to "ce_100", the plain cross-entropy by share masked, where there was any.
        """
        entropy = functional.cross_entropy(logits, target, reduction="none", label_smoothing=self.label_smoothing)
        loss = entropy.mean()
        if self.frequency is not None:
            weight = self._rarity(target)
            loss = (entropy * weight).sum() / weight.sum()
        logged = {"loss": loss, "accuracy": (logits.detach().argmax(-1) == target).float().mean()}
        low = 0.0
        for high in _BUCKETS:
            inside = (share > low) & (share <= high)
            if bool(inside.any()):
                logged[f"ce_{high * 100:.0f}"] = entropy.detach()[inside].mean()
            low = high
        return logged

    @torch.no_grad()
    def _rarity(self, target: Tensor) -> Tensor:
        assert self.frequency is not None
        if self.training:
            count = torch.bincount(target, minlength=len(self.frequency)).to(self.frequency)
            self.frequency.lerp_(count / count.sum(), 1 - _DECAY)
        # An id that was never seen keeps a frequency that decays towards 0; the floor keeps its weight finite.
        return self.frequency.clamp_min(1e-6)[target] ** -self.rarity_weight
