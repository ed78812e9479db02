"""How the weights of a critic begin."""

from __future__ import annotations

from torch import nn


def initialise(network: nn.Module) -> None:
    """As MaskGST's: every layer begins as the identity, and every score as nearly 0."""
    for name, module in network.named_modules():
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.02 if name == "head" else module.in_features**-0.5)
            if name.endswith((".out", ".down")):
                nn.init.zeros_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
