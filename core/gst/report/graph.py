"""The graph of steps, as SVG: from left to right, each step behind those it waits for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gst.report.html import Html, tag

State = Literal["waiting", "running", "done", "stored", "failed"]
BOX_WIDTH, BOX_HEIGHT, GAP_X, GAP_Y, MARGIN = 152, 46, 40, 16, 6
SAYS = {"waiting": "waits", "running": "runs now", "stored": "from the store", "failed": "failed"}


@dataclass(frozen=True)
class Node:
    """One step.

    Args:
        name: the step's name in the recipe.
        use: which step it is (train, sample, ...).
        needs: names of the steps whose results it takes.
        state: "stored" was found finished in the store.
        seconds: how long it took, None where that is not known.
    """

    name: str
    use: str
    needs: tuple[str, ...] = ()
    state: State = "waiting"
    seconds: float | None = None


def graph(nodes: Sequence[Node]) -> Html:
    """The steps in columns; a step's column is one to the right of the last of those it needs."""
    column: dict[str, int] = {}
    for node in nodes:
        column[node.name] = 1 + max((column[n] for n in node.needs if n in column), default=-1)
    rows: dict[int, list[Node]] = {}
    for node in nodes:
        rows.setdefault(column[node.name], []).append(node)
    tallest = max((len(r) for r in rows.values()), default=0)
    place: dict[str, tuple[float, float]] = {}
    for x, members in rows.items():
        for y, node in enumerate(members):
            top = MARGIN + (y + (tallest - len(members)) / 2) * (BOX_HEIGHT + GAP_Y)
            place[node.name] = (MARGIN + x * (BOX_WIDTH + GAP_X), top)
    width = 2 * MARGIN + len(rows) * (BOX_WIDTH + GAP_X) - GAP_X
    height = 2 * MARGIN + tallest * (BOX_HEIGHT + GAP_Y) - GAP_Y
    edges = [_edge(place[need], place[node.name]) for node in nodes for need in _direct(node, nodes)]
    boxes = [_box(node, *place[node.name]) for node in nodes]
    style = f"min-width:{round(width * 0.72)}px;max-width:{width}px"
    return tag("svg", *edges, *boxes, viewBox=f"0 0 {width} {height}", role="img", class_="graph", style=style)


def _direct(node: Node, nodes: Sequence[Node]) -> list[str]:
    """What a node needs, without what another of its needs needs already: those lines would only cross the others."""
    needs = {each.name: set(each.needs) for each in nodes}

    def all_before(name: str) -> set[str]:
        return needs[name].union(*(all_before(n) for n in needs[name] if n in needs))

    known = [n for n in node.needs if n in needs]
    return [n for n in known if not any(n in all_before(other) for other in known if other != n)]


def duration(seconds: float) -> str:
    """0.4 s, 12 s, 3 min 05 s, 2 h 10 min."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _edge(a: tuple[float, float], b: tuple[float, float]) -> Html:
    x1, y1, x2, y2 = a[0] + BOX_WIDTH, a[1] + BOX_HEIGHT / 2, b[0], b[1] + BOX_HEIGHT / 2
    bend = min(GAP_X, (x2 - x1) / 2)
    return tag("path", d=f"M{x1},{y1} C{x1 + bend},{y1} {x2 - bend},{y2} {x2},{y2}", class_="edge")


def _box(node: Node, x: float, y: float) -> Html:
    says = SAYS.get(node.state, "")
    if node.seconds is not None:
        says = f"{says} {duration(node.seconds)}" if node.state == "failed" else duration(node.seconds)
    return tag(
        "g",
        tag("title", f"{node.name} ({node.use}): {node.state}"),
        tag("rect", x=x, y=y, width=BOX_WIDTH, height=BOX_HEIGHT, rx=9),
        tag("text", _fit(node.name, 18), x=x + 12, y=y + 19, class_="name"),
        tag("text", _fit(f"{node.use} · {says}" if says else node.use, 28), x=x + 12, y=y + 35, class_="use"),
        class_=f"node {node.state}",
    )


def _fit(text: str, letters: int) -> str:
    return text if len(text) <= letters else f"{text[: letters - 1]}…"
