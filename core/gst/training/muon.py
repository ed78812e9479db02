"""Muon: momentum whose matrix updates are orthogonalised.

Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"; the polynomials are of the kind of Amsel
et al. 2025, "The Polar Express: Optimal matrix sign methods and their application to the Muon algorithm".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

# x -> a x + b x^3 + c x^5, one after the other. Each is the minimax approximation of 1 on the interval that the one
# before leaves of [0.003, 1] (all but the last shrunk by 1.01 against rounding errors), so that every singular value of
# at least 0.003 of the norm ends in [0.78, 1.21]. Jordan's one polynomial needs five rounds for [0.68, 1.21].
POLYNOMIALS = (
    (8.3007, -24.0376, 17.4661),
    (4.0059, -2.9253, 0.5424),
    (3.4840, -2.5614, 0.5024),
    (2.5155, -1.8618, 0.4426),
)
_ROOM = 1.02


def orthogonalise(matrices: Tensor, dtype: torch.dtype = torch.bfloat16) -> Tensor:
    """The nearest semi-orthogonal matrix, U V^T of the singular value decomposition, about.

    Newton-Schulz iterations X <- (a + b X X^T + c (X X^T)^2) X after scaling by the Frobenius norm; for tall matrices
    the same from the right, X (a + b X^T X + c (X^T X)^2).

    Args:
        matrices: (n, rows, columns), handled together.
        dtype: of the matrix products.

    Returns:
        (n, rows, columns) in `dtype`.
    """
    x = matrices.to(dtype)
    tall = x.size(-2) > x.size(-1)
    for iteration, (a, b, c) in enumerate(POLYNOMIALS):
        gram = x.mT @ x if tall else x @ x.mT
        if iteration == 0:
            # The scaling goes into the small matrices: a pass less over x.
            norm = gram.diagonal(dim1=-2, dim2=-1).float().sum(-1).sqrt().clamp_min(1e-7)[:, None, None] * _ROOM
            gram = (gram / norm.square()).to(dtype)
        inner = c * gram
        inner.diagonal(dim1=-2, dim2=-1).add_(b)
        polynomial = gram @ inner
        polynomial.diagonal(dim1=-2, dim2=-1).add_(a)
        if iteration == 0:
            polynomial = (polynomial / norm).to(dtype)
        x = x @ polynomial if tall else polynomial @ x
    return x


class Muon(Optimizer):
    """Nesterov momentum, orthogonalised: W <- (1 - lr wd) W - lr sqrt(max(1, rows / columns)) O(g + m (buffer - g)).

    For 2-D weights inside a network. Matrices of one shape are orthogonalised in one batch.

    Args:
        parameters: 2-D parameters.
        lr: learning rate, in units of the spectral norm of an update.
        momentum: m; the buffer is m buffer + (1 - m) g.
        weight_decay: decoupled, as in AdamW.
        dtype: of the orthogonalisation's matrix products.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        dtype: torch.dtype = torch.bfloat16,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.dtype = dtype

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        for group in self.param_groups:
            shapes: dict[torch.Size, list[nn.Parameter]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    shapes.setdefault(parameter.shape, []).append(parameter)
            momentum, decay = group["momentum"], 1.0 - group["lr"] * group["weight_decay"]
            for shape, parameters in shapes.items():
                updates = torch.empty(len(parameters), *shape, dtype=self.dtype, device=parameters[0].device)
                # Matrix by matrix, so that each stays in the processor's cache.
                for update, parameter in zip(updates, parameters, strict=True):
                    if parameter.grad is not None:
                        buffer = self._buffer(parameter).mul_(momentum).add_(parameter.grad, alpha=1.0 - momentum)
                        # Nesterov's g + m (buffer - g) but for a factor, which the orthogonalisation takes out.
                        update.copy_(torch.add(buffer, parameter.grad, alpha=(1.0 - momentum) / momentum))
                rate = group["lr"] * max(1.0, shape[0] / shape[1]) ** 0.5
                for update, parameter in zip(orthogonalise(updates, dtype=self.dtype), parameters, strict=True):
                    parameter.mul_(decay).add_(update, alpha=-rate)

    def _buffer(self, parameter: nn.Parameter) -> Tensor:
        state = self.state[parameter]
        if "buffer" not in state:
            state["buffer"] = torch.zeros_like(parameter)
        buffer: Tensor = state["buffer"]
        return buffer
