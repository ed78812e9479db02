"""Pilot: which grid and codebook? Tokenizer ceiling and prior score at equal minutes, on validation stories.

    python benchmarks/pilot.py --minutes 2 4 --threads 1 --out pilot.jsonl

For every cell the tokenizer trains for the first number of minutes and the prior for the second, by a number of steps
that is measured beforehand in a few of them (budgets are steps, so that a cell can be run again). All else is
`recipes/maskgst_cg.yaml`. One line of JSON a cell is written as soon as it is done.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import gst

CELLS: list[dict[str, Any]] = [
    {"downsample": 8, "codebook_size": 256},
    {"downsample": 16, "codebook_size": 1024, "widths": [64, 128, 128]},
    {"downsample": 8, "codebook_size": 128},
    {"downsample": 8, "codebook_size": 512},
    {"downsample": 4, "codebook_size": 256, "widths": [64]},
]
_PROBE_STEPS = 20


def cell_overrides(cell: dict[str, Any], tokenizer_steps: int, prior_steps: int, threads: int) -> list[str]:
    """The `-s` settings that turn the default recipe into one cell."""
    pairs: dict[str, Any] = {f"components.tokenizer.{name}": value for name, value in cell.items()}
    pairs |= {
        "runtime.threads": threads,
        "steps.vqgan.steps": tokenizer_steps,
        "steps.vqgan.warmup": min(50, tokenizer_steps // 2),
        "steps.train.steps": prior_steps,
        "steps.train.warmup": min(50, prior_steps // 2),
        **{f"steps.{step}.data": "$data.val" for step in ("drawn", "rebuilt", "chance", "retrieved", "scores")},
        "steps.tokens.stories": 3000,
        **{f"steps.{step}.stories": 200 for step in ("drawn", "rebuilt", "chance", "retrieved")},
        "steps.scores.bootstrap": 0,
    }
    return [f"{path}={json.dumps(value)}" for path, value in pairs.items()]


def seconds_of(run: Any, step: str) -> float:
    """Seconds a training step: the median over the lines of its own log, of which the first ones warm up."""
    lines = [json.loads(line) for line in (run.dir / "metrics.jsonl").read_text().splitlines()]
    mine = [line for line in lines if line["step"] == step]
    pairs = [(b["iteration"] - a["iteration"], b["time"] - a["time"]) for a, b in pairwise(mine)]
    return statistics.median(seconds / steps for steps, seconds in pairs if steps > 0)


def run_cell(cell: dict[str, Any], minutes: tuple[float, float], threads: int, work: Path) -> dict[str, Any]:
    """Train and score one cell."""
    name = f"f{cell['downsample']}_k{cell['codebook_size']}"
    common = ["steps.vqgan.log_every=2", "steps.train.log_every=2"]
    probe = gst.run_recipe(
        "maskgst_cg",
        overrides=[*cell_overrides(cell, _PROBE_STEPS, _PROBE_STEPS, threads), *common],
        out=work / f"{name}_probe",
        until="train",
    )
    steps = [round(60 * m / seconds_of(probe, step)) for m, step in zip(minutes, ("vqgan", "train"), strict=True)]
    started = time.time()
    run = gst.run_recipe("maskgst_cg", overrides=cell_overrides(cell, *steps, threads), out=work / name, until="scores")
    rows = {(row["metric"], row["of"]): row["value"] for row in run.outputs["scores.table"].rows}
    wanted = ("char-f1", "char-acc", "place-acc", "position-acc", "fid-clf")
    return {
        **cell,
        "tokenizer_steps": steps[0],
        "prior_steps": steps[1],
        "seconds": round(time.time() - started),
        "ceiling": {m: round(rows[m, "reconstructions"], 2) for m in wanted},
        "model": {m: round(rows[m, "model"], 2) for m in wanted},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", nargs=2, type=float, default=(2.0, 4.0), metavar=("TOKENIZER", "PRIOR"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("pilot.jsonl"))
    parser.add_argument("--runs", type=Path, default=Path("runs/pilot"))
    args = parser.parse_args()
    for cell in CELLS:
        row = run_cell(cell, tuple(args.minutes), args.threads, args.runs)
        with args.out.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
