"""A pipeline as a folder that can be handed out and opened again by `gst.load`.

pipeline.json        format, places, examples, and what it is (recipe, seed, metrics)
tokenizer/ prior/ sampler/   as `gst.saving.save_component` writes them
stages/NAME/         the same of every stage before this one
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Literal

from gst.errors import CheckpointError, StoreError
from gst.kinds import Prior, Sampler, Tokenizer
from gst.pipeline import StoryPipeline
from gst.runtime import Runtime
from gst.saving import load_component, save_component

FORMAT = 1
ABOUT = "pipeline.json"


def export(pipe: StoryPipeline, folder: str | Path, *, dtype: Literal["bf16"] | None = "bf16") -> None:
    """Write everything that `pipe` needs to draw.

    Args:
        pipe: the pipeline.
        folder: must not exist yet.
        dtype: "bf16" stores weights in half the size, rounded; None stores them as they are.

    Raises:
        StoreError: the folder exists or cannot be written.
    """
    folder = Path(folder)
    if folder.exists():
        raise StoreError(f"{folder} exists", hint="Export into a new folder.")
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        partial.mkdir(parents=True)
        save_component(pipe.tokenizer, partial / "tokenizer", dtype=dtype, whole=True)
        save_component(pipe.prior, partial / "prior", dtype=dtype, whole=True)
        save_component(pipe.sampler, partial / "sampler", dtype=dtype, whole=True)
        for name, stage in pipe.stages.items():
            export(stage, partial / "stages" / name, dtype=dtype)
        about = {
            "format": FORMAT,
            "stages": list(pipe.stages),
            "places": pipe.places,
            "examples": pipe.examples,
            "frames": pipe.frames,
            "about": pipe.about,
        }
        (partial / ABOUT).write_text(json.dumps(about, indent=1, ensure_ascii=False), encoding="utf-8")
        os.replace(partial, folder)
    except OSError as error:
        raise StoreError(f"cannot write {folder}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def open_export(folder: Path, runtime: Runtime | None = None) -> StoryPipeline:
    """Open what `export` wrote. Raises `CheckpointError` where it is damaged."""
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        if about["format"] != FORMAT:
            raise CheckpointError(
                f"{folder / ABOUT} has format {about['format']}; this gst reads format {FORMAT}",
                hint="It was written by a newer gst: update gst-story.",
            )
        places, examples, frames, rest = about["places"], about["examples"], about["frames"], about["about"]
        stages = {str(name): folder / "stages" / str(name) for name in about.get("stages", [])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{folder / ABOUT} cannot be read: {error!r}") from error
    parts = {name: load_component(folder / name) for name in ("tokenizer", "prior", "sampler")}
    tokenizer, prior, sampler = parts["tokenizer"], parts["prior"], parts["sampler"]
    if not (isinstance(tokenizer, Tokenizer) and isinstance(prior, Prior) and isinstance(sampler, Sampler)):
        kinds = {name: part.kind for name, part in parts.items()}
        raise CheckpointError(f"{folder} does not hold a tokenizer, a prior and a sampler but {kinds}")
    return StoryPipeline(
        tokenizer,
        prior,
        sampler,
        stages={name: open_export(stage, runtime) for name, stage in stages.items()},
        runtime=runtime,
        places=places,
        examples=examples,
        frames=frames,
        about=rest,
    )
