"""A linear map whose weight is converted to the type of autocast once, not once a story."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Linear(nn.Linear):
    """`torch.nn.Linear`, which between predictions keeps its weight in autocast's type.

    Autocast converts every weight anew in each context, that is for each batch of stories drawn: up to a tenth of the
    time of one story on a CPU. Here the converted weight is kept until the weight changes, or until something is
    recorded for gradients, so that training never holds two. Results are the same to the bit.
    """

    _kept: tuple[tuple[int, int, torch.dtype], Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """(..., in_features) -> (..., out_features)."""
        dtype = autocast_dtype(x.device)
        if dtype is None or torch.is_grad_enabled() or self.weight.is_inference():
            self._kept = None
            return super().forward(x)
        # An optimizer's step changes the version; exchanging `weight.data`, as moving averages do, the address.
        state = (self.weight._version, self.weight.data_ptr(), dtype)
        if self._kept is None or self._kept[0] != state:
            self._kept = (state, self.weight.to(dtype))
        return functional.linear(x, self._kept[1], self.bias)


def autocast_dtype(device: torch.device) -> torch.dtype | None:
    """The type that matrix products will run in on `device`, None outside autocast."""
    kind = device.type
    if not (torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)):
        return None
    return torch.get_autocast_dtype(kind)
