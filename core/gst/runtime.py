"""Where and in which precision things run. The one seam between gst and the machine: several processes come in here."""

from __future__ import annotations

import platform
import resource
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gst.errors import UsageError

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "fp32", "bf16"]


class Runtime:
    """One process on one device.

    Args:
        device: "auto" takes the first GPU where there is one.
        precision: "bf16" computes matrix products in bfloat16 by autocast (weights, optimizer and losses stay float32);
            "auto" does so on GPUs and CPUs that have bfloat16 units.
        threads: threads of one operation on the CPU; None leaves torch's own choice. Training ends in the same bits
            only at the same number of threads, so lock files record it.
    """

    rank = 0
    world = 1

    def __init__(self, device: Device = "auto", precision: Precision = "auto", threads: int | None = None) -> None:
        if device == "cuda" and not torch.cuda.is_available():
            raise UsageError("device: cuda was asked for, and torch finds no GPU here", hint="Use device: auto or cpu.")
        on_gpu = device == "cuda" or (device == "auto" and torch.cuda.is_available())
        self.device = torch.device("cuda", torch.cuda.current_device()) if on_gpu else torch.device("cpu")
        self.precision: Literal["fp32", "bf16"]
        if precision == "auto":
            self.precision = "bf16" if has_bf16(self.device) else "fp32"
        else:
            self.precision = precision
        if threads is not None:
            torch.set_num_threads(threads)

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and talks to the user."""
        return self.rank == 0

    def autocast(self) -> AbstractContextManager[Any]:
        """Within it, matrix products and convolutions run in the runtime's precision."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of `loss`, which is averaged over the processes."""
        loss.backward()  # type: ignore[no-untyped-call]

    def clip(self, parameters: Sequence[nn.Parameter], max_norm: float) -> Tensor:
        """Scale all gradients down together until their norm is at most `max_norm`; 0 scales nothing.

        Returns:
            the norm before scaling, on the device (reading it waits for the device).
        """
        return nn.utils.clip_grad_norm_(parameters, max_norm if max_norm > 0 else float("inf"))

    def peak_memory(self) -> int:
        """The most bytes in use so far: of the accelerator, or else of this process."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024

    def describe(self) -> dict[str, Any]:
        """What decides the bits of a result besides recipe and code; for lock files."""
        gpu = self.device.type == "cuda"
        return {
            "device": torch.cuda.get_device_name(self.device) if gpu else processor(),
            "precision": self.precision,
            "threads": torch.get_num_threads(),
            "world": self.world,
            "torch": torch.__version__,
            "cuda": torch.version.cuda if gpu else None,
            "python": platform.python_version(),
            "system": platform.platform(terse=True),
        }


def has_bf16(device: torch.device) -> bool:
    """Whether `device` multiplies bfloat16 matrices in hardware; where it does not, float32 is faster."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool({"avx512_bf16", "amx_bf16", "bf16"} & _cpu_flags())


def processor() -> str:
    """The CPU's name."""
    for line in _cpuinfo():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _cpu_flags() -> set[str]:
    for line in _cpuinfo():
        if line.startswith(("flags", "Features")):
            return set(line.split(":", 1)[1].split())
    return set()


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
