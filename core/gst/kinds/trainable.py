"""What the one training loop needs of a model."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from gst.batch import StoryBatch
from gst.component import Component
from gst.errors import CheckpointError

if TYPE_CHECKING:
    from gst.conditioner import Conditioner


@dataclass(frozen=True)
class Phase:
    """One group of updates within a training step.

    Args:
        name: given to `loss`.
        parameters: what this phase trains; the parameters of the other phases are frozen while it runs.
        updates: optimizer updates a step.
        stream: the data stream it draws from; phases of one stream share the step's batch.
        start: the first step at which this phase runs.
    """

    name: str
    parameters: Sequence[nn.Parameter]
    updates: int = 1
    stream: str = "data"
    start: int = 0


class Trainable(Component, nn.Module):
    """A module that the training step can train.

    Trainables nest: one among the options of another, kept as a submodule, is trained in that one's phases, and is
    saved as an option with its own weights (see `learned`).

    Attributes:
        conditioner: how captions become what the model is told; None for models that are told nothing. Set by `tell`.
        training_only: options that take a trained component of which only this one's training has need (a teacher). It
            is saved without them: they default to None, and are None when it is loaded.
    """

    training_only: ClassVar[tuple[str, ...]] = ()
    conditioner: Conditioner | None = None

    def __init__(self) -> None:
        super().__init__()

    def tell(self, conditioner: Conditioner) -> None:
        """Called before training with how the training step would tell a model of captions and characters.

        What the model sets `conditioner` to here is what makes the `condition` of its batches. Default: it is told
        nothing.
        """

    def phases(self) -> Sequence[Phase]:
        """Default: one phase, "main", with every parameter that wants a gradient."""
        return [Phase("main", [p for p in self.parameters() if p.requires_grad])]

    @abstractmethod
    def loss(self, batch: StoryBatch, phase: str, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """The loss of one phase.

        Args:
            batch: B stories on the model's device.
            phase: name of the phase.
            step: the training step, from 0.
            generator: the only source of randomness; saved in checkpoints.

        Returns:
            scalars: "loss" is what is minimised, the others are logged under their names.
        """

    def after_step(self, step: int, generator: torch.Generator) -> dict[str, float]:
        """Called after every training step (all phases done): codebook upkeep and the like. Returns scalars to log."""
        return {}

    def matrices(self) -> Sequence[nn.Parameter]:
        """The 2-D weights inside the network, for optimizers that treat them apart (`optimizer: muon`).

        Default: the weights of every `nn.Linear` that is not part of a module called "head". Embeddings, output heads,
        norms and biases are not among them.
        """
        return [
            parameter
            for name, module in self.named_modules()
            if isinstance(module, nn.Linear) and "head" not in name.split(".")
            for parameter in module.parameters()
            if parameter.ndim == 2
        ]

    def learned(self) -> nn.Module:
        """The module whose weights `save_state` writes. Default: the whole model. What holds another component as a
        submodule gives the rest of it here, since that one is saved with the options."""
        return self

    def save_state(self, folder: Path) -> None:
        from safetensors.torch import save_model

        save_model(self.learned(), str(folder / "model.safetensors"))

    def load_state(self, folder: Path) -> None:
        from safetensors import SafetensorError
        from safetensors.torch import load_model

        path = folder / "model.safetensors"
        try:
            load_model(self.learned(), str(path))
        except FileNotFoundError as error:
            raise CheckpointError(f"there are no weights at {path}") from error
        except (RuntimeError, SafetensorError) as error:
            raise CheckpointError(
                f"{path} does not hold the weights of {self.kind} '{self.use}': {error}",
                hint="It was written by another model or with other options, or the file is damaged.",
            ) from error
