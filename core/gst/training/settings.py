"""How to train: the options of the training step that the loop reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gst.training.schedules import Schedule

OptimizerName = Literal["adamw", "muon"]


@dataclass(frozen=True)
class Settings:
    """How to train.

    Args:
        steps: training steps; in each one every phase makes its updates.
        lr: learning rate of AdamW.
        optimizer: "adamw" for everything, or "muon" for the matrices inside the network and AdamW for the rest.
        lr_matrix: learning rate of Muon.
        warmup: steps over which the learning rates rise from 0.
        schedule: how they go down afterwards.
        lr_end: what is left of them at the end, as a factor.
        weight_decay: decoupled weight decay of parameters with two or more dimensions.
        betas: AdamW's averaging of gradients and of their squares.
        clip: greatest gradient norm of a phase's update; 0 does not clip.
        accumulate: the batch is computed in this many equal parts, to save memory.
        ema: decay of the averaged weights that are kept in the end; 0 keeps the last weights.
        log_every: steps between two lines of the log.
        checkpoint_minutes: minutes between two checkpoints; 0 saves after every step.
        val_every: steps between two validations; 0 validates at the end only.
    """

    steps: int
    lr: float = 1e-3
    optimizer: OptimizerName = "adamw"
    lr_matrix: float = 0.02
    warmup: int = 0
    schedule: Schedule = "cosine"
    lr_end: float = 0.0
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.99)
    clip: float = 1.0
    accumulate: int = 1
    ema: float = 0.0
    log_every: int = 50
    checkpoint_minutes: float = 1.0
    val_every: int = 0
