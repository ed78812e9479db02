"""A hash of a model's weights, for signatures."""

from __future__ import annotations

import hashlib

import torch
from torch import nn


def digest(module: nn.Module) -> str:
    """sha256 (hex) of all weights and buffers, by name, type and shape."""
    total = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        total.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)};".encode())
        total.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()
