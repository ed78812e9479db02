"""Which sampler, how many steps, how much noise, how much guidance? Many settings on one trained prior.

    python benchmarks/samplers.py runs/maskgst_cg --stories 200 --out samplers.jsonl
    python benchmarks/samplers.py runs/maskgst_cg --only "^steps=|halton"

Prior, tokenizer and judge are those of a finished run. Every setting draws the first validation stories with the same
seed, changes one or two things of the run's own sampler, and is scored by the metrics of the run's step `scores`, with
95 % bootstrap intervals over stories. One line of JSON a setting is written as soon as it is done; settings that are in
the file already are skipped, so that a stopped run goes on. Two settings that come to the same sampler are drawn once.
The line "reconstructions" is the tokenizer alone: the ceiling. All settings take about 920 decoding steps a story: 100
minutes for 200 stories of the default recipe on two cores that do nothing else.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor, nn

import gst
from gst import plugins
from gst.batch import StoryBatch, collate, to_float
from gst.errors import UsageError
from gst.evaluation.bootstrap import intervals
from gst.kinds import Metric, Sampler, StorySet
from gst.options import signature_of
from gst.run import open_run
from gst.signatures import describe
from gst_maskgst.schedules import Schedule

STEPS = (1, 2, 4, 8, 12, 18, 24)
SCALES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8)
BATCH = 8


def settings() -> Iterator[dict[str, Any]]:
    """What each setting changes of the run's sampler."""
    yield {}
    yield from ({"schedule": schedule} for schedule in get_args(Schedule))
    yield from ({"steps": steps} for steps in STEPS)
    yield from ({"use": use, "steps": n} for use in ("maskgit", "halton", "entropy", "linear-noise") for n in STEPS)
    yield from ({"use": "maskgit", "confidence_noise": noise} for noise in (0.0, 1.0, 2.0, 9.0, 18.0))
    yield {"use": "maskgit", "remask": True}
    yield from ({"use": "linear-noise", "confidence_noise": noise} for noise in (0.2, 4.0))
    yield from ({"use": "entropy", "entropy_noise": noise} for noise in (1.0, 4.5, 9.0))
    yield {"use": "halton", "schedule": "cosine"}
    yield {"use": "halton", "random_start": False}
    yield from ({"temperature": temperature} for temperature in (0.0, 0.5, 0.7, 0.85, 1.15))
    yield {"temperature_annealing": "linear"}
    yield {"top_k": 0.1}
    yield {"top_p": 0.9}
    for mode in ("plus-minus", "plus", "minus"):
        yield from ({"guidance": {"use": "character", "mode": mode, "scale": scale}} for scale in SCALES)


def name_of(changes: Mapping[str, Any]) -> str:
    """ "steps=4", "halton steps=4", "character plus scale=0.2"; "as trained" where nothing is changed."""
    parts = []
    for key, value in changes.items():
        if key == "guidance":
            parts.append(f"{value['use']} {value['mode']} scale={value['scale']}")
        else:
            parts.append(str(value) if key == "use" else f"{key}={value}")
    return " ".join(parts) or "as trained"


def changed(sampler: Sampler, changes: Mapping[str, Any]) -> Sampler:
    """The sampler with some options changed; what another one does not know of its options is left out."""
    own = {option.name: option.default for option in signature_of(type(sampler)).options}
    options = {name: value for name, value in sampler.options.items() if value != own[name]}
    use = changes.get("use", sampler.use)
    known = {option.name for option in signature_of(plugins.registry().get("sampler", use).load()).options}
    options = {name: value for name, value in options.items() if name in known}
    options |= {name: value for name, value in changes.items() if name not in ("use", "guidance")}
    if "guidance" in changes:
        guidance = dict(changes["guidance"])
        options["guidance"] = gst.build("guidance", guidance.pop("use"), **guidance)
    made = gst.build("sampler", use, **options)
    assert isinstance(made, Sampler)
    return made


def score(
    data: StorySet, stories: int, metrics: Sequence[Metric], make: Callable[[StoryBatch], Tensor], resamples: int
) -> dict[str, Any]:
    """{"scores": number -> value, low, high; "seconds": for making the frames}. `make` gives uint8 (B, T, 3, H, W)."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    for metric in metrics:
        metric.reset()
        for module in (value for value in vars(metric).values() if isinstance(value, nn.Module)):
            module.to(device).eval()
    seconds = 0.0
    for start in range(0, stories, BATCH):
        some = [data[i] for i in range(start, min(start + BATCH, stories))]
        batch = collate(some, length=data.dataset.frames_per_story)
        started = time.perf_counter()
        frames = make(batch)
        seconds += time.perf_counter() - started
        for metric in metrics:
            metric.update(batch.to(device), to_float(frames).to(device))
    found = {}
    for metric in metrics:
        count = resamples if metric.bootstrap is None else min(resamples, metric.bootstrap)
        spread = intervals(metric, stories, count, seed=0)
        for name, value in metric.compute().items():
            low, high = spread.get(name, (None, None))
            found[name] = {"value": value, "low": low, "high": high}
    return {"scores": found, "seconds": round(seconds, 2)}


def main(arguments: Sequence[str] | None = None) -> None:
    args = _arguments(arguments)
    run = open_run(args.run)
    pipe = gst.load(args.run)
    if run.recipe.output is None or "scores" not in run.recipe.steps:
        raise UsageError(f"{args.run} has no output or no step 'scores', whose metrics are to be used")
    data = run.option(run.recipe.output.name, "data").dataset.split(args.split)
    stories = min(args.stories, len(data))
    metrics = run.option("scores", "metrics")
    same = {"split": args.split, "stories": stories, "seed": args.seed, "weights": pipe.signature()["weights"]}
    done = {_key(line) for line in map(json.loads, args.out.read_text().splitlines())} if args.out.exists() else set()

    def rebuilt(batch: StoryBatch) -> Tensor:
        assert batch.frames is not None  # collate always gives frames
        with torch.no_grad():
            latents = pipe.tokenizer.encode_stories(batch.to(pipe.runtime.device))
        return pipe.decode(latents, batch.frame_mask)

    def drawn(sampler: Sampler) -> Callable[[StoryBatch], Tensor]:
        own = gst.StoryPipeline(pipe.tokenizer, pipe.prior, sampler, stages=pipe.stages, runtime=pipe.runtime)

        def make(batch: StoryBatch) -> Tensor:
            condition = own.condition(
                batch.ids, batch.captions, batch.frame_mask, seed=args.seed, labels=batch.characters
            )
            return own.draw(condition, args.seed)

        return make

    todo: list[tuple[str, Sampler | None]] = [("reconstructions", None)]
    todo += [(name_of(changes), changed(pipe.sampler, changes)) for changes in settings()]
    for name, sampler in todo:
        line = {"setting": name, "sampler": None if sampler is None else describe(sampler), **same}
        if _key(line) in done or not re.search(args.only, name):
            continue
        line |= score(data, stories, metrics, rebuilt if sampler is None else drawn(sampler), args.bootstrap)
        with args.out.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(line) + "\n")
        done.add(_key(line))
        numbers = {metric: round(found["value"], 2) for metric, found in line["scores"].items() if "/" not in metric}
        print(f"{name}: {numbers} ({line['seconds']} s)", file=sys.stderr, flush=True)


def _key(line: Mapping[str, Any]) -> str:
    wanted = ("sampler", "split", "stories", "seed", "weights")
    return json.dumps({name: line[name] for name in wanted}, sort_keys=True)


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the folder of a finished run with a step 'scores'")
    parser.add_argument("--stories", type=int, default=200)
    parser.add_argument("--split", default="val")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", metavar="REGEX", help="settings whose name matches, such as '^steps='")
    parser.add_argument("--bootstrap", type=int, default=200, help="resamples for intervals; 0 for none")
    parser.add_argument("--out", type=Path, default=Path("samplers.jsonl"))
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
