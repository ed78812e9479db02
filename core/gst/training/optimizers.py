"""The optimizers of one phase, and their state as plain tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import AdamW, Optimizer

from gst.errors import CheckpointError
from gst.kinds.trainable import Phase, Trainable
from gst.training.muon import Muon
from gst.training.settings import Settings


class PhaseOptimizer:
    """AdamW, or Muon with AdamW for what is no matrix inside the network (`Trainable.matrices`).

    Args:
        model: whose phase it is.
        phase: what is trained.
        settings: which optimizer, learning rates, decay.
        bf16: whether Muon may multiply in bfloat16.
    """

    def __init__(self, model: Trainable, phase: Phase, settings: Settings, *, bf16: bool) -> None:
        self.parameters = list(phase.parameters)
        inner = {id(p) for p in model.matrices()} if settings.optimizer == "muon" else set()
        matrices = [p for p in self.parameters if id(p) in inner]
        rest = [p for p in self.parameters if id(p) not in inner]
        self.optimizers: list[Optimizer] = []
        if matrices:
            dtype = torch.bfloat16 if bf16 else torch.float32
            self.optimizers.append(Muon(matrices, settings.lr_matrix, weight_decay=settings.weight_decay, dtype=dtype))
        if rest:
            groups = [
                {"params": [p for p in rest if p.ndim >= 2], "weight_decay": settings.weight_decay},
                {"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0},
            ]
            self.optimizers.append(
                AdamW([g for g in groups if g["params"]], lr=settings.lr, betas=settings.betas, fused=True)
            )
        self._rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in self.optimizers]

    def scale(self, factor: float) -> None:
        """Set all learning rates to `factor` times their base."""
        for optimizer, rates in zip(self.optimizers, self._rates, strict=True):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * factor

    def zero_grad(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None

    def step(self) -> None:
        for optimizer in self.optimizers:
            optimizer.step()

    def state(self) -> dict[str, Tensor]:
        """All moments and counters, by "optimizer.parameter.name"."""
        return {
            f"{i}.{index}.{name}": value
            for i, optimizer in enumerate(self.optimizers)
            for index, state in optimizer.state_dict()["state"].items()
            for name, value in state.items()
        }

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `state` gave. Raises `CheckpointError` where it belongs to other parameters."""
        states: list[dict[int, dict[str, Any]]] = [{} for _ in self.optimizers]
        try:
            for key, value in tensors.items():
                number, place, name = key.split(".")
                states[int(number)].setdefault(int(place), {})[name] = value
        except (ValueError, IndexError) as error:
            raise CheckpointError(f"its optimizer state is of another optimizer ({key})") from error
        for optimizer, state in zip(self.optimizers, states, strict=True):
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            for index, values in state.items():
                shapes = {value.shape for value in values.values() if value.ndim}
                if index >= len(parameters) or shapes - {parameters[index].shape}:
                    raise CheckpointError("its optimizer state is of a model with other parameters")
            optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
