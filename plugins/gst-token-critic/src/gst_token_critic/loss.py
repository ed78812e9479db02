"""Binary cross-entropy between a critic's scores and what is real."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def critic_loss(logits: Tensor, real: Tensor, frame_mask: Tensor) -> dict[str, Tensor]:
    """Mean binary cross-entropy over all tokens of real frames, drawn ones and true ones alike.

    Token-Critic sums over all N tokens of an image, not over the masked ones alone (Lezama et al. 2022, section 3.1;
    thesis, eq. 6.2.3 and 8.5.1); the mean differs by a factor. A drawn token counts as drawn even where it is the true
    one by chance.

    Args:
        logits: (B, T, h, w), higher is more likely real.
        real: bool (B, T, h, w).
        frame_mask: bool (B, T); other frames do not count.

    Returns:
        "loss"; "accuracy" at a probability of one half; and "auc", how often a real token scores higher than a drawn
        one, where there are both.
    """
    scores, truth = logits[frame_mask].flatten().float(), real[frame_mask].flatten()
    loss = functional.binary_cross_entropy_with_logits(scores, truth.to(scores.dtype))
    scores = scores.detach()
    found = {"loss": loss, "accuracy": ((scores > 0) == truth).float().mean()}
    if bool(truth.any()) and not bool(truth.all()):
        found["auc"] = area_under_curve(scores[truth], scores[~truth])
    return found


def area_under_curve(higher: Tensor, lower: Tensor) -> Tensor:
    """The share of pairs in which the first's score is above the second's, ties counting half (Mann-Whitney).

    Args:
        higher: (P,), scores that should be high.
        lower: (Q,), scores that should be low.

    Returns:
        a scalar, 0.5 for scores that tell nothing.
    """
    ranked = lower.sort().values
    below = torch.searchsorted(ranked, higher.contiguous(), right=False)
    upto = torch.searchsorted(ranked, higher.contiguous(), right=True)
    return (below + upto).double().mean() / (2 * len(lower))
