"""What a critic learns from: real tokens of which some were drawn anew by a prior."""

from __future__ import annotations

import torch
from torch import Tensor

from gst.condition import Condition
from gst.kinds.prior import MaskedPrior
from gst_maskgst.choose import choose
from gst_maskgst.masking import draw_mask
from gst_maskgst.schedules import Schedule


@torch.no_grad()
def redraw(
    prior: MaskedPrior, condition: Condition, ids: Tensor, schedule: Schedule, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Mask a share gamma(r) of every frame, r uniform, and draw the masked tokens from the prior in one pass, at
    temperature 1 (Lezama et al. 2022, section 3.1).

    Args:
        prior: in eval mode; no gradient reaches it.
        condition: what it is told.
        ids: the real tokens, int64 (B, T, h, w).
        schedule: gamma.
        generator: the source of randomness.

    Returns:
        the tokens, (B, T, h, w), and which of them are real, bool (B, T, h, w); at least one a frame is not.
    """
    shape = (*ids.shape[:2], ids.shape[2] * ids.shape[3])
    masked = draw_mask(schedule, 1.0, shape, False, generator).view_as(ids).to(ids.device)
    uniform = torch.rand(ids.shape, generator=generator, device=generator.device).to(ids.device)
    state = prior.begin(condition)
    allowed = prior.allowed(state)
    # A frame has its own share; what a prior is told of it is their mean.
    share = float(masked.float().mean())
    logits, _ = prior.predict(state, ids.masked_fill(masked, prior.mask_id), share)
    if allowed is not None:
        logits = logits.masked_fill(~allowed, -torch.inf)
    drawn = choose(logits, uniform, temperature=1.0, top_k=1.0, top_p=1.0)
    return torch.where(masked, drawn, ids), ~masked
