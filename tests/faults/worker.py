"""Steps with real components at tiny size, each in a process of its own that can be killed.

The processes are forked from this one, which has imported everything and does nothing else.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import traceback
from pathlib import Path
from typing import Any

import torch._dynamo  # noqa: F401  (the first optimizer imports it: once is enough)

import gst
from gst import plugins, schema
from gst.artifacts import Tokens
from gst.context import StepContext
from gst.kinds import Step
from gst.progress import Progress
from gst.recipe.blueprint import Blueprint
from gst.runtime import Runtime
from gst.saving import load_component, save_component
from gst.tracking import Tracking

DATA: Any = gst.build("dataset", "story-world", size=32, train=40)
VQGAN = {
    "widths": [8, 16],
    "blocks": 1,
    "codebook_size": 8,
    "code_dim": 4,
    "disc_start": 6,
    "disc_width": 8,
    "disc_layers": 2,
}
MASKGST = {"dim": 16, "heads": 2, "head_dim": 8, "layers": ["full", "self", "sv"], "dropout": 0.1}


def blueprint(kind: str, name: str, options: dict[str, Any]) -> Blueprint:
    entry = plugins.registry().get(kind, name)
    clean, problems = schema.validate(entry.load(), options, "", name)
    assert not problems, problems
    return Blueprint(kind, name, clean, entry)


def build(step: str, folder: Path) -> Step:
    """The step, with the outputs of the steps before it from `folder`."""
    train = DATA.split("train")
    common = {"checkpoint_minutes": 0.0, "log_every": 4, "warmup": 3}
    if step == "vqgan":
        model = blueprint("tokenizer", "vqgan", VQGAN)
        options = {"model": model, "steps": 16, "batch_size": 8, "unit": "frame", "ema": 0.9, "accumulate": 2}
        return plugins.registry().create("step", "train", {"data": train, **common, **options})  # type: ignore[return-value]
    if step == "tokens":
        tokenizer = load_component(folder / "vqgan")
        options = {"tokenizer": tokenizer, "data": train, "batch_size": 2, "stories": 33}
        return plugins.registry().create("step", "tokenize", options)  # type: ignore[return-value]
    tokens = Tokens.load(folder / "tokens")
    options = {
        "model": blueprint("prior", "maskgst", MASKGST),
        "data": tokens,
        "text": load_component(folder / "text"),
        "steps": 24,
        "batch_size": 4,
        "optimizer": "muon",
        "val": tokens,
        "val_every": 10,
    }
    return plugins.registry().create("step", "train", {**common, **options})  # type: ignore[return-value]


def run(step: str, inputs: str, folder: str) -> None:
    """Run one step with its scratch folder in `folder`; its output goes to `folder`/out."""
    here = Path(folder)
    work = here / "work"
    work.mkdir(parents=True, exist_ok=True)
    context = StepContext(
        name=step,
        seed=5,
        work=work,
        run_dir=here / "run",
        runtime=Runtime(device="cpu", precision="fp32", threads=1),
        tracker=Tracking(here / "run", step, history=work / "metrics.jsonl"),
        progress=Progress(quiet=True),
        smoke=False,
        results={},
        graph=None,  # type: ignore[arg-type]
    )
    (output,) = build(step, Path(inputs)).run(context).values()
    out = here / "out"
    shutil.rmtree(out, ignore_errors=True)
    if isinstance(output, Tokens):
        out.mkdir()
        output.save(out)
    else:
        save_component(output, out)


def serve() -> None:
    """For every line of arguments on stdin: fork, say the child's id, wait, say its exit code."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                run(*json.loads(line))
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    for kind, name in (("tokenizer", "vqgan"), ("prior", "maskgst"), ("text", "bpe")):
        plugins.registry().get(kind, name).load()
    serve()
