"""`gst.load`: a pipeline from a run, from an exported folder, or by the name of installed weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gst import plugins
from gst.errors import CheckpointError, DataError, UsageError
from gst.exporting import ABOUT, open_export
from gst.kinds import Dataset, Prior, Sampler, StorySet, Tokenizer
from gst.pipeline import StoryPipeline
from gst.recipe.spec import Ref
from gst.registry import Weights, suggest
from gst.run import RunResult, open_run
from gst.rundir import STATE
from gst.runtime import Runtime

EXAMPLES = 5


def load(source: str | Path, *, runtime: Runtime | None = None) -> StoryPipeline:
    """Open a trained pipeline.

    Args:
        source: the folder of a run, a folder that `gst.exporting.export` wrote, or the name of weights that an
            installed plugin brings ("demo").
        runtime: device and precision; by default what the machine has.

    Raises:
        UsageError: there is nothing of that name.
        CheckpointError: what is there is damaged, or not finished.
    """
    named = plugins.registry().weights
    if str(source) in named:
        return _open_weights(named[str(source)], runtime)
    path = Path(source)
    if (path / ABOUT).is_file():
        return open_export(path, runtime)
    if (path / STATE).is_file():
        return of_run(open_run(path), runtime)
    if path.is_dir():
        raise UsageError(
            f"{path} is neither the folder of a run nor an exported pipeline", hint="gst runs lists the runs."
        )
    names = [*named, *sorted(str(p.parent) for p in Path("runs").glob(f"*/{STATE}"))]
    raise UsageError(
        f"there is no run, folder or weights '{source}'.{suggest(str(source), names)}",
        hint=f"There is: {', '.join(names)}." if names else "Train one first: gst run recipes/maskgst_cg.yaml",
    )


def _open_weights(weights: Weights, runtime: Runtime | None) -> StoryPipeline:
    if not (weights.path / ABOUT).is_file():
        raise CheckpointError(
            f"{weights.dist} is installed without its weights: {weights.path} has no {ABOUT}",
            hint="Install it again, or train them: gst run recipes/maskgst_cg.yaml, then gst sample runs/maskgst_cg-1.",
        )
    return open_export(weights.path, runtime)


def of_run(run: RunResult, runtime: Runtime | None = None) -> StoryPipeline:
    """The pipeline of a run: the sub-graph from captions to the pictures that its recipe marks as output.

    Raises:
        UsageError: the recipe marks none, or what it marks is not drawn from captions.
        StoreError: prior or tokenizer are not trained yet, or not in the store any more.
    """
    output = run.recipe.output
    if output is None:
        raise UsageError(
            f"the recipe of {run.dir} has no output",
            hint="Add a line such as `output: $sample.pictures` to the recipe.",
        )
    about = {"recipe": run.recipe.name, "run": run.dir.name, "seed": run.recipe.seed}
    return _stage(run, output, runtime, about=about, **_world(run, output.name))


def _stage(run: RunResult, drawn: Ref, runtime: Runtime | None, **world: Any) -> StoryPipeline:
    """What drew `drawn`, with the stages that it was given tokens of."""
    options = run.recipe.steps[drawn.name].options
    parts = {name: run.option(drawn.name, name) for name in ("tokenizer", "prior", "sampler") if name in options}
    tokenizer, prior, sampler = (parts.get(name) for name in ("tokenizer", "prior", "sampler"))
    if not (isinstance(tokenizer, Tokenizer) and isinstance(prior, Prior) and isinstance(sampler, Sampler)):
        raise UsageError(f"{drawn} in {run.dir} is not drawn from captions by a tokenizer and a prior")
    stages = {name: _stage(run, ref, runtime) for name, ref in options.get("given", {}).items()}
    return StoryPipeline(tokenizer, prior, sampler, stages=stages, runtime=runtime, **world)


def _world(run: RunResult, step: str) -> dict[str, Any]:
    """Places, the length of stories, and a few of the validation split; nothing where the data set is gone."""
    try:
        split = run.option(step, "data")
    except DataError:
        return {}
    if not isinstance(split, StorySet):
        return {}
    data: Dataset = split.dataset
    examples = data.split("val") if "val" in data.splits else split
    return {
        "places": tuple(getattr(data, "places", ())),
        "examples": [examples.captions(i) for i in range(min(EXAMPLES, len(examples)))],
        "frames": data.frames_per_story,
    }
