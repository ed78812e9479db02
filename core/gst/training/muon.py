"""Muon: momentum whose matrix updates are orthogonalised.

Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

# A quintic whose slope at 0 is steep: singular values end in about [0.7, 1.2] after five iterations, which trains as
# well as exactly 1 does (Jordan et al. 2024).
_A, _B, _C = 3.4445, -4.7750, 2.0315


def orthogonalise(matrices: Tensor, iterations: int = 5, dtype: torch.dtype = torch.bfloat16) -> Tensor:
    """The nearest semi-orthogonal matrix, U V^T of the singular value decomposition, about.

    Newton-Schulz iterations X <- a X + b (X X^T) X + c (X X^T)^2 X after scaling by the Frobenius norm.

    Args:
        matrices: (n, rows, columns), handled together.
        dtype: of the matrix products.

    Returns:
        (n, rows, columns) in `dtype`, singular values within about [0.7, 1.2].
    """
    x = matrices.to(dtype)
    x = x / torch.linalg.matrix_norm(x, keepdim=True).clamp_min(1e-7)
    tall = x.size(-2) > x.size(-1)
    if tall:
        x = x.mT
    for _ in range(iterations):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    return x.mT if tall else x


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
            for shape, parameters in shapes.items():
                update = torch.stack([p.grad for p in parameters if p.grad is not None])
                buffers = [self._buffer(p) for p in parameters]
                torch._foreach_lerp_(buffers, list(update.unbind()), 1.0 - group["momentum"])
                torch._foreach_lerp_(list(update.unbind()), buffers, group["momentum"])
                scale = max(1.0, shape[0] / shape[1]) ** 0.5
                orthogonal = orthogonalise(update, dtype=self.dtype)
                weights: list[Tensor] = [*parameters]
                torch._foreach_mul_(weights, 1.0 - group["lr"] * group["weight_decay"])
                torch._foreach_add_(weights, list(orthogonal.unbind()), alpha=-group["lr"] * scale)

    def _buffer(self, parameter: nn.Parameter) -> Tensor:
        state = self.state[parameter]
        if "buffer" not in state:
            state["buffer"] = torch.zeros_like(parameter)
        buffer: Tensor = state["buffer"]
        return buffer
