"""The adversarial part of VQGAN's loss (Esser et al. 2021, eq. 6-7)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Half of E[max(0, 1 - D(x))] + E[max(0, 1 + D(x'))]."""
    return 0.5 * (F.relu(1.0 - real).mean() + F.relu(1.0 + fake).mean())


def hinge_generator(fake: Tensor) -> Tensor:
    """-E[D(x')]."""
    return -fake.mean()


def adaptive_weight(reconstruction: Tensor, adversarial: Tensor, last: Tensor) -> Tensor:
    """lambda = ||grad reconstruction|| / (||grad adversarial|| + 1e-4) at the decoder's last layer (eq. 7).

    Clipped to [0, 1e4] as in the reference code, and a constant for the gradient.

    Args:
        reconstruction: the reconstruction loss, perceptual part included.
        adversarial: the generator's adversarial loss.
        last: the weight of the decoder's last convolution.
    """
    (pull,) = torch.autograd.grad(reconstruction, last, retain_graph=True)
    (push,) = torch.autograd.grad(adversarial, last, retain_graph=True)
    weight: Tensor = pull.norm() / (push.norm() + 1e-4)
    return weight.clamp(0.0, 1e4).detach()
