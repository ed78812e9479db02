"""Random numbers in training: torch's own generators are used (dropout draws from them), saved, and put back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from gst.runtime import Runtime


@contextmanager
def isolated(runtime: Runtime, seed: int) -> Iterator[None]:
    """Within it torch's generators start from `seed`; afterwards they are as they were before."""
    devices = [runtime.device] if runtime.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def random_state(runtime: Runtime, generator: torch.Generator) -> dict[str, Tensor]:
    """All generators that a training draws from."""
    state = {"generator": generator.get_state(), "cpu": torch.get_rng_state()}
    if runtime.device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(runtime.device)
    return state


def load_random(runtime: Runtime, generator: torch.Generator, state: Mapping[str, Tensor]) -> None:
    """Put back what `random_state` gave."""
    generator.set_state(state["generator"])
    torch.set_rng_state(state["cpu"])
    if runtime.device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], runtime.device)
