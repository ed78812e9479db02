from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from gst.batch import StoryBatch
from gst.kinds import Trainable


def make_batch(frames: Tensor, mask: Tensor | None = None) -> StoryBatch:
    """Frames (B, T, 3, H, W) as a batch."""
    b, t = frames.shape[:2]
    mask = torch.ones(b, t, dtype=torch.bool) if mask is None else mask
    return StoryBatch(tuple(map(str, range(b))), [[""] * t for _ in range(b)], mask, frames)


def run_steps(
    model: Trainable,
    steps: Sequence[Sequence[Tensor]],
    generator: torch.Generator,
    optimizers: Sequence[torch.optim.Optimizer],
    first: int = 0,
) -> list[dict[str, float]]:
    """A minimal training loop, phase after phase, over steps of micro-batches. Returns what each step logged."""
    model.train()
    log = []
    for step, micros in enumerate(steps, first):
        row: dict[str, float] = {}
        for phase, optimizer in zip(model.phases(), optimizers, strict=True):
            if step < phase.start:
                continue
            trained = {id(p) for p in phase.parameters}
            for parameter in model.parameters():
                parameter.requires_grad_(id(parameter) in trained)
            optimizer.zero_grad()
            for micro in micros:
                scalars = model.loss(make_batch(micro), phase.name, step, generator)
                (scalars["loss"] / len(micros)).backward()
            row |= {f"{phase.name}/{name}": value.item() for name, value in scalars.items()}
            optimizer.step()
            model.requires_grad_(True)
        log.append(row | model.after_step(step, generator))
    return log


@pytest.fixture
def batch_of() -> Callable[..., StoryBatch]:
    return make_batch


@pytest.fixture
def step_through() -> Callable[..., list[dict[str, float]]]:
    return run_steps


@pytest.fixture
def pictures() -> Callable[..., Tensor]:
    """Makes N frames (N, 1, 3, H, W): a coloured square somewhere on a coloured ground."""

    def make(count: int, size: tuple[int, int] = (16, 16)) -> Tensor:
        generator = torch.Generator().manual_seed(1)
        frames = torch.rand(count, 1, 3, 1, 1, generator=generator).mul(2).sub(1).repeat(1, 1, 1, *size)
        for frame in frames:
            top, left = (int(torch.randint(side // 2, (1,), generator=generator)) for side in size)
            colour = torch.rand(3, 1, 1, generator=generator).mul(2).sub(1)
            frame[0, :, top : top + size[0] // 2, left : left + size[1] // 2] = colour
        return frames

    return make
