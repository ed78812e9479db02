"""Peak memory, each measured in a process of its own."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

from .clock import Run
from .size import Size

ROOT = Path(__file__).resolve().parents[2]


def compare(size: str, threads: int) -> dict[str, dict[str, dict[str, int]]]:
    """Bytes by task and side: "imports" before the model is built, and "peak" after two steps."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    for task in ("training", "sampling"):
        for mode in ("fp32", "bf16"):
            found[f"{task}, {mode}"] = {
                side: _in_a_process([side, task, mode], size, threads) for side in ("gst", "muse")
            }
    return found


def measure(side: str, task: str, mode: str, size: Size) -> dict[str, int]:
    """Build one side in this process, and take two steps."""
    if side == "gst":
        import gst_maskgst.prior
        import gst_maskgst.samplers.maskgit  # noqa: F401

        from .ours import Ours as Side
    else:
        import muse_maskgit_pytorch  # noqa: F401

        from .muse import Muse as Side  # type: ignore[assignment]
    imports = peak()
    model = Side(size)
    run: Run = model.training(mode) if task == "training" else model.sampling(mode, 2)  # type: ignore[arg-type]
    run()
    if task == "training":
        run()
    return {"imports": imports, "peak": peak()}


def peak() -> int:
    """The most bytes this process has held in memory so far.

    On Linux VmHWM, which is ru_maxrss but for what the parent process held when it started this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _in_a_process(arguments: list[str], size: str, threads: int) -> dict[str, int]:
    command = [
        sys.executable,
        "-m",
        "benchmarks.speed",
        "--peak",
        *arguments,
        "--size",
        size,
        "--threads",
        str(threads),
    ]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return result
