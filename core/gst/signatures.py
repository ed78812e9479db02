"""What a component is, in short, for signatures: its options as JSON, its weights as a hash."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from gst.component import Component


def weights_hash(module: nn.Module) -> str:
    """sha256 (hex) of all weights and buffers, by name, type and shape."""
    total = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        total.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)};".encode())
        total.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def describe(component: Component) -> dict[str, Any]:
    """Its name and options as JSON, components inside it likewise."""

    def plain(value: Any) -> Any:
        if isinstance(value, Component):
            return describe(value)
        if isinstance(value, Mapping):
            return {str(key): plain(v) for key, v in value.items()}
        return [plain(v) for v in value] if isinstance(value, list | tuple) else value

    return {"use": component.use, **{key: plain(value) for key, value in component.options.items()}}
