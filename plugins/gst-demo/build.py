"""Puts the weights of a finished run into this plugin: python plugins/gst-demo/build.py runs/maskgst_cg

Refuses more than 20 MB and anything that names a place on this machine.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import gst
from gst.exporting import export, open_export
from gst.pipeline import StoryPipeline

TARGET = Path(__file__).parent / "src" / "gst_demo" / "weights"
MOST_BYTES = 20_000_000
SUMS = "SHA256SUMS"


def build(run: Path, target: Path = TARGET) -> int:
    """Replace `target` by the weights of `run`. Returns their size in bytes."""
    pipe = gst.load(run)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        folder = Path(scratch) / "weights"
        export(pipe, folder, dtype="bf16")
        shutil.copy(run / "recipe.yaml", folder / "recipe.yaml")
        metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
        (folder / "metrics.json").write_text(json.dumps(metrics, indent=1), encoding="utf-8")
        lock = json.loads((run / "lock.json").read_text(encoding="utf-8"))
        (folder / "README.md").write_text(card(pipe, metrics, lock), encoding="utf-8")
        _check(folder)
        sums = [f"{_sha256(path)}  {path.relative_to(folder).as_posix()}" for path in _files(folder)]
        (folder / SUMS).write_text("\n".join(sums) + "\n", encoding="utf-8")
        started = time.monotonic()
        drawn = open_export(folder)(pipe.examples[0], seed=0)
        took = time.monotonic() - started
        print(f"opened again, {len(drawn.captions)} frames drawn in {took:.1f} s", file=sys.stderr)
        size = sum(path.stat().st_size for path in _files(folder))
        shutil.rmtree(target, ignore_errors=True)
        shutil.move(folder, target)
    return size


def card(pipe: StoryPipeline, metrics: dict[str, Any], lock: dict[str, Any]) -> str:
    """The model card."""
    about = pipe.about
    parameters = {part: sum(p.numel() for p in getattr(pipe, part).parameters()) for part in ("tokenizer", "prior")}
    versions = ", ".join(f"{name} {version}" for name, version in lock["packages"].items())
    plugins = ", ".join(f"{name} {plugin['version']}" for name, plugin in lock["plugins"].items())
    sampler = json.dumps(pipe.signature()["sampler"])
    head = ["| number | of | value | 95 % interval | floor | ceiling |", "|---|---|---|---|---|---|"]
    numbers = "\n\n".join(
        "\n".join([f"{table['about']['data']}, {table['about']['stories']} stories:", "", *head, *_rows(table)])
        for table in metrics.values()
    )
    return f"""# {about["recipe"]}: stories of the built-in world

A tokenizer (`{pipe.tokenizer.use}`, {parameters["tokenizer"] / 1e6:.1f} M parameters), a prior (`{pipe.prior.use}`,
{parameters["prior"] / 1e6:.1f} M parameters) and a sampler that draw one frame for each caption of a story. Sampler:

    {sampler}

- Trained by `gst run` on the recipe beside this file (`recipe.yaml`), seed {about["seed"]}; nothing was added by hand.
- Data: story-world, drawn by rule by gst-data. No picture or text of a person is in it.
- Knows {len(pipe.cast)} characters ({", ".join(pipe.cast.names)}) and the places {", ".join(pipe.places)}. Of other
  words it makes nothing sensible. It was trained on five-frame stories.
- Told the characters from {pipe.conditioner.describe()}.
- Weights are rounded to bfloat16; the numbers below were measured before.
- License: MIT. Made with gst {lock["gst"]} ({plugins}; {versions}) on {lock["runtime"]["device"]},
  {lock["runtime"]["precision"]}.
- `{SUMS}` has the hash of every file; gst checks those of the weights whenever they are opened.

{numbers}

`metrics.json` has every number with its signature: what it was measured with.
"""


def _rows(table: dict[str, Any]) -> list[str]:
    return [
        f"| {row['metric']} | {row['of']} | {_number(row['value'])} | {_number(row['low'])} – {_number(row['high'])} "
        f"| {_number(row['floor'])} | {_number(row['ceiling'])} |"
        for row in table["rows"]
        if "/" not in row["metric"]
    ]


def _check(folder: Path) -> None:
    size = sum(path.stat().st_size for path in _files(folder))
    if size > MOST_BYTES:
        raise SystemExit(f"the weights are {size:,} bytes; at most {MOST_BYTES:,} may be shipped")
    places = {str(Path.home()), str(Path.cwd()), str(Path(__file__).resolve().parents[2])} - {"/"}
    for path in _files(folder):
        data = path.read_bytes()
        for place in places:
            if path.suffix != ".safetensors" and place.encode() in data:
                raise SystemExit(f"{path.name} names a place on this machine: {place}")


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a finished run")
    written = build(parser.parse_args().run)
    print(f"{TARGET}: {written / 1e6:.1f} MB")
