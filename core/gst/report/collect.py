"""From what a run has so far to what its page shows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gst.artifacts import Pictures, Table, Tokens
from gst.cast import Cast
from gst.kinds import StorySet
from gst.preview import read_previews
from gst.report.bars import share
from gst.report.curves import Curve, short
from gst.report.graph import Node, State, duration
from gst.report.page import Page, PageState
from gst.report.stories import REAL, Growth, StoryCard
from gst.rundir import STATE, RunDir
from gst.tracking import METRICS, read_lines
from gst.training.cache import cached

if TYPE_CHECKING:
    from gst.context import StepContext

MOST_CURVES = 9
_STATES: dict[str, State] = {
    "waiting": "waiting",
    "skipped": "waiting",
    "running": "running",
    "cached": "stored",
    "done": "done",
    "failed": "failed",
    "interrupted": "failed",
}


def collect(
    context: StepContext,
    *,
    final: bool,
    data: StorySet | None,
    pictures: Mapping[str, Pictures],
    tables: Sequence[Table],
    tokens: Tokens | None,
    stories: int,
) -> Page:
    """The page of a run as it stands.

    Args:
        context: of the report step: the run's folder, its graph and states.
        final: whether every other step is done.
        data: whose first stories are shown.
        pictures: what was drawn for them, by label.
        tables: numbers.
        tokens: whose codes are counted.
        stories: how many are shown.
    """
    recipe, about = context.graph.recipe, RunDir(context.run_dir).read(STATE)
    nodes = _nodes(context, about, final)
    state, failure = _state(context, final)
    return Page(
        title=recipe.title or recipe.name,
        says=recipe.description,
        state=state,
        failure=failure,
        facts=[*_headline(tables), *_facts(context, about, nodes)],
        stories=[] if data is None else cards(data, pictures, stories),
        stories_are="" if data is None else _which(data, stories),
        growth=_growth(context, final),
        numbers=_numbers(tables),
        curves=curves(read_lines(context.run_dir / METRICS)),
        codes=None if tokens is None or tokens.spec.kind != "ids" else codes(tokens),
        nodes=nodes,
        details=_details(context),
    )


def cards(data: StorySet, pictures: Mapping[str, Pictures], count: int) -> list[StoryCard]:
    """The first stories of a split, each with its real frames and what was drawn for it."""
    data, out = cached(data), []
    cast = data.dataset.cast
    where = {label: {story: i for i, story in enumerate(drawn.ids)} for label, drawn in pictures.items()}
    for index in range(min(count, len(data))):
        story = data[index]
        rows = {REAL: story.frames}
        for label, drawn in pictures.items():
            if (at := where[label].get(story.id)) is not None:
                given = 0 if drawn.drawn is None else int((~drawn.drawn[at][: len(story)]).sum())
                shown = f"{label}, {given} given" if given else label
                rows[shown] = np.asarray(drawn.frames[at][: len(story)])
        told = cast.resolve(list(story.captions), "antecedent")
        truth = [] if story.characters is None else _names(cast, story.characters)
        out.append(StoryCard(story.id, story.captions, rows, _names(cast, told), truth))
    return out


def curves(lines: Sequence[Mapping[str, Any]]) -> dict[str, list[Curve]]:
    """The scalars of every step that were logged more than once, losses first."""
    found: dict[str, dict[str, dict[int, float]]] = {}
    for line in lines:
        for name, value in line.get("scalars", {}).items():
            found.setdefault(line["step"], {}).setdefault(name, {})[line["iteration"]] = value
    out = {}
    for step, scalars in found.items():
        names = sorted((n for n, points in scalars.items() if len(points) > 1), key=lambda n: not n.endswith("loss"))
        if names:
            out[step] = [_curve(name, scalars[name]) for name in names[:MOST_CURVES]]
    return out


def codes(tokens: Tokens) -> NDArray[np.int64]:
    """How often each id is in the tokens, padding frames left out."""
    counts = np.zeros(tokens.spec.vocab, np.int64)
    for captions, story in zip(tokens.captions, tokens.data, strict=True):
        counts += np.bincount(np.asarray(story[: len(captions)]).ravel(), minlength=tokens.spec.vocab)
    return counts


def _curve(name: str, points: Mapping[int, float]) -> Curve:
    iterations = sorted(points)
    return Curve(name, iterations, [points[i] for i in iterations])


def _names(cast: Cast, rows: NDArray[np.bool_]) -> list[list[str]]:
    return [[name for name, there in zip(cast.names, row, strict=True) if there] for row in rows]


def _which(data: StorySet, count: int) -> str:
    return (
        f"The first {min(count, len(data))} stories of the split {data.name}, in order, none picked. "
        "Under each caption whom it tells of; outlined: to be seen, but not told."
    )


def _growth(context: StepContext, final: bool) -> list[Growth]:
    """What training steps drew on the way: in their order, or while the run goes on the latest first."""
    order = {name: i for i, name in enumerate(context.graph.order)}
    found = [seen for seen in read_previews(context.run_dir) if seen.step in order]
    return [
        Growth(seen.step, seen.captions, [(share, frames) for _, share, frames in seen.drawn], seen.real)
        for seen in sorted(found, key=lambda seen: order[seen.step] * (1 if final else -1))
    ]


def _state(context: StepContext, final: bool) -> tuple[PageState, str]:
    for name, state in context.states.items():
        if state == "failed":
            return "failed", f"step '{name}' failed; what was finished before is kept"
        if state == "interrupted":
            return "stopped", f"stopped in step '{name}'; the same command goes on from there"
    return ("finished", "") if final else ("running", "")


def _nodes(context: StepContext, about: Mapping[str, Any], final: bool) -> list[Node]:
    took = {name: step.get("seconds") for name, step in about.get("steps", {}).items()}
    nodes = []
    for name in context.graph.order:
        state = _STATES.get(context.states.get(name, "waiting"), "waiting")
        if final and name == context.name:
            state = "done"
        use = context.graph.recipe.steps[name].use
        nodes.append(Node(name, use, context.graph.needs(name), state, took.get(name)))
    return nodes


def _numbers(tables: Sequence[Table]) -> dict[str, list[dict[str, Any]]]:
    """Rows by what they are about, so that numbers of two splits never share a scale."""
    found: dict[str, list[dict[str, Any]]] = {}
    for table in tables:
        label = [str(table.about["data"])] if "data" in table.about else []
        if "stories" in table.about:
            label.append(f"{table.about['stories']:,} stories")
        found.setdefault(", ".join(label), []).extend(table.rows)
    return found


def _headline(tables: Sequence[Table]) -> list[tuple[str, str]]:
    """The first number of the first table."""
    if not tables or not tables[0].rows:
        return []
    first = dict(tables[0].rows[0])
    interval = "" if first.get("low") is None else f" ({short(first['low'])} – {short(first['high'])})"
    facts = [(f"{first['metric']} of {first['of']}", f"{short(first['value'])}{interval}")]
    if (way := share(first)) is not None:
        facts.append(("of the way from floor to ceiling", f"{round(100 * way)} %"))
    return facts


def _facts(context: StepContext, about: Mapping[str, Any], nodes: Sequence[Node]) -> list[tuple[str, str]]:
    runtime = context.runtime.describe()
    seconds = sum(node.seconds for node in nodes if node.seconds is not None)
    facts = [("time of all steps", duration(seconds))] if seconds else []
    facts.append(("seed", str(context.graph.recipe.seed)))
    threads = "1 thread" if runtime["threads"] == 1 else f"{runtime['threads']} threads"
    facts.append(("machine", f"{runtime['device']}, {threads}, {runtime['precision']}"))
    if about.get("started"):
        facts.append(("started", datetime.fromisoformat(about["started"]).strftime("%d %b %Y, %H:%M UTC")))
    return facts


def _details(context: StepContext) -> dict[str, str]:
    details = {}
    recipe = context.run_dir / "recipe.yaml"
    if recipe.exists():
        details["Recipe, as it ran"] = recipe.read_text(encoding="utf-8")
    lock = RunDir(context.run_dir).read("lock.json")
    if lock:
        details["Versions, machine, fingerprints"] = json.dumps(lock, indent=1)
    details["How to draw a story of your own"] = (
        f"gst sample {context.run_dir} --example\ngst sample {context.run_dir} --captions story.txt --out story.png"
    )
    return details
