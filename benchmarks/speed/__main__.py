"""MaskGST against muse-maskgit-pytorch 0.3.5 and against a decoder with a cache, in one process and in turns.

    python -m benchmarks.speed --json speed.json

Run it from the root of the checkout, on a machine that does nothing else; about eight minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from . import memory
from .muse import missing
from .size import SIZES
from .table import table


def main() -> None:
    args = _arguments()
    torch.set_num_threads(args.threads)
    if args.peak:
        print(json.dumps(memory.measure(*args.peak, SIZES[args.size[0]])))
        return
    if problem := missing():
        raise SystemExit(f"error: {problem}")
    result: dict[str, Any] = {"machine": _machine(), "rounds": args.rounds, "sizes": {}}
    for size in args.size:
        result["sizes"][size] = _one_size(size, args.rounds, args.threads)
        if args.json:
            args.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(table(result))


def _one_size(name: str, rounds: int, threads: int) -> dict[str, Any]:
    from .compare import compare
    from .counts import counts

    _say(f"width {name}: peak memory")
    found: dict[str, Any] = {"memory": memory.compare(name, threads)}
    _say(f"width {name}: counting")
    found["counts"] = counts(SIZES[name])
    _say(f"width {name}: measuring")
    found["groups"] = [group.to_json() for group in compare(SIZES[name], rounds, _say)]
    return found


def _machine() -> dict[str, Any]:
    from gst.runtime import Runtime

    described = Runtime("cpu", "auto").describe()
    names = ("torch", "gst-story", "gst-maskgst", "muse-maskgit-pytorch", "transformers")
    return {
        "processor": described["device"],
        "precision": described["precision"],
        "threads": described["threads"],
        "system": described["system"],
        "versions": {"python": described["python"], **{name: version(name) for name in names}},
    }


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", nargs="+", choices=list(SIZES), default=["1024", "256"], help="widths to compare")
    parser.add_argument("--rounds", type=int, default=5, help="how often each side runs")
    parser.add_argument("--threads", type=int, default=2, help="threads of every side")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers there too")
    parser.add_argument("--peak", nargs=3, metavar=("SIDE", "TASK", "MODE"), help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
