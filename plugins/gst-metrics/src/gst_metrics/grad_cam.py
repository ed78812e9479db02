"""Where in a picture a classifier sees characters."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from gst_metrics.classifier import CharacterClassifier


def grad_cam(classifier: CharacterClassifier, frames: Tensor) -> tuple[Tensor, Tensor]:
    """Grad-CAM (Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391, eq. 1 and 2) of every character.

    alpha_k = mean over places of d logit / d A_k, A being the feature map that the heads read; L = ReLU(sum_k alpha_k
    A_k). Only the head is differentiated. In float32 under any autocast.

    Args:
        classifier: in eval mode.
        frames: (N, 3, H, W) in [-1, 1].

    Returns:
        L (N, C, h, w), and the characters' logits (N, C).
    """
    with torch.autocast(frames.device.type, enabled=False):
        with torch.no_grad():
            grid = classifier.feature_map(frames.float())
        with torch.enable_grad():
            grid.requires_grad_()
            logits = classifier.answers(grid)["characters"]
            maps = []
            for logit in logits.sum(0):  # frames do not depend on each other
                (gradient,) = torch.autograd.grad(logit, grid, retain_graph=True)
                alpha = gradient.mean((2, 3), keepdim=True)
                maps.append(F.relu((alpha * grid.detach()).sum(1)))
    return torch.stack(maps, 1), logits.detach()


def heat_map(classifier: CharacterClassifier, frames: Tensor) -> Tensor:
    """How much each pixel speaks for some character: (N, H, W) in [0, 1].

    The Grad-CAM of every character that the classifier sees (probability above one half) is scaled to a maximum of 1
    and brought to the size of the frame (bilinear); the greatest of them counts. Zero where it sees nobody.

    Args:
        classifier: in eval mode.
        frames: (N, 3, H, W) in [-1, 1].
    """
    maps, logits = grad_cam(classifier, frames)
    maps = maps / maps.amax((2, 3), keepdim=True).clamp_min(torch.finfo(maps.dtype).tiny)
    maps = maps * (logits > 0)[..., None, None]
    return F.interpolate(maps, frames.shape[-2:], mode="bilinear", align_corners=False).amax(1)
