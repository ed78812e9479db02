"""The run on one page: what it shows, and its HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gst.report.bars import numbers
from gst.report.curves import Curve
from gst.report.graph import Node, graph
from gst.report.html import Html, join, tag
from gst.report.sections import card, charts, histogram, section
from gst.report.stories import Growth, StoryCard, gallery, grown, hero

REFRESH_SECONDS = 15
PageState = Literal["running", "finished", "failed", "stopped"]


@dataclass
class Page:
    """Everything the page shows. What is empty is left out.

    Args:
        title: name of the recipe.
        says: one or two sentences about it.
        state: a running page asks the browser to read it again every 15 seconds.
        failure: why it did not finish.
        facts: short pairs under the title (time, seed, machine).
        stories: the gallery, in the order of the data set.
        stories_are: says which stories these are.
        growth: what training steps drew on the way.
        numbers: what was scored (data, stories) -> the rows of all tables about it.
        curves: step -> its curves.
        codes: how often each id of the codebook is used in the training tokens.
        nodes: the graph of steps, in an order in which each comes after those it needs.
        details: title -> text, folded (recipe, versions, how to repeat it).
    """

    title: str
    says: str = ""
    state: PageState = "running"
    failure: str = ""
    facts: Sequence[tuple[str, str]] = ()
    stories: Sequence[StoryCard] = ()
    stories_are: str = ""
    growth: Sequence[Growth] = ()
    numbers: Mapping[str, Sequence[dict[str, object]]] = field(default_factory=dict)
    curves: Mapping[str, Sequence[Curve]] = field(default_factory=dict)
    codes: NDArray[np.int64] | None = None
    nodes: Sequence[Node] = ()
    details: Mapping[str, str] = field(default_factory=dict)


def render(page: Page) -> str:
    """A complete HTML document without any address in it: pictures, style and charts are inside."""
    style = files("gst.report").joinpath("style.css").read_text(encoding="utf-8")
    refresh = tag("meta", http_equiv="refresh", content=REFRESH_SECONDS) if page.state == "running" else None
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        refresh,
        tag("title", f"{page.title} · gst"),
        tag("style", Html(style)),
    )
    body = tag("body", _header(page), tag("main", *_sections(page)), _footer(page))
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def _header(page: Page) -> Html:
    facts = [tag("div", tag("dt", name), tag("dd", value)) for name, value in page.facts]
    return tag(
        "header",
        tag(
            "div",
            tag("p", "A run of gst", class_="kicker"),
            tag("div", tag("h1", page.title), tag("span", page.state, class_=f"state {page.state}"), class_="top"),
            tag("p", page.says, class_="says") if page.says else None,
            tag("pre", page.failure, class_="signature") if page.failure else None,
            tag("dl", *facts, class_="facts") if facts else None,
            hero(page.stories),
        ),
    )


def _sections(page: Page) -> list[Html | None]:
    steps = section(
        "Steps", "What the recipe does, from left to right. Dashed: found finished in the store.", _steps(page)
    )
    running = page.state != "finished"
    learned = (
        section("As it learned", "The same stories at every tenth of the training.", grown(page.growth))
        if page.growth
        else None
    )
    return [
        steps if running else None,
        learned if running else None,
        section("Numbers", None, _key(), *(_scored(*item) for item in page.numbers.items())) if page.numbers else None,
        section("Stories", page.stories_are, gallery(page.stories)) if page.stories else None,
        None if running else learned,
        section("Curves", None, *(charts(step, curves) for step, curves in page.curves.items()))
        if page.curves
        else None,
        section("Codebook", None, histogram(page.codes)) if page.codes is not None else None,
        None if running else steps,
        section("Details", None, *map(_detail, page.details.items())) if page.details else None,
    ]


def _scored(label: str, rows: Sequence[dict[str, object]]) -> Html:
    return join(
        tag("p", label, class_="label") if label else None, tag("div", numbers(rows), class_="metrics"), tag("p")
    )


def _steps(page: Page) -> Html:
    return card(tag("div", graph(page.nodes), class_="wide"))


def _key() -> Html:
    def sign(says: str, *marks: Html) -> Html:
        return tag("span", tag("svg", *marks, viewBox="0 0 30 16", class_="bar"), says)

    def end(name: str) -> Html:
        return tag("line", x1=15, x2=15, y1=1, y2=15, class_=f"end {name}")

    interval = tag("line", x1=3, x2=27, y1=8, y2=8, class_="interval"), tag("circle", cx=15, cy=8, r=5, class_="dot")
    return tag(
        "p",
        sign("floor: captions ignored", end("floor")),
        sign("ceiling: the tokenizer's best", end("ceiling")),
        sign("value with its 95 % interval over stories; better is further right", *interval),
        tag("span", "Open a line to see how it was measured."),
        class_="key",
    )


def _detail(item: tuple[str, str]) -> Html:
    title, text = item
    return tag("details", tag("summary", title), tag("pre", text), class_="plain")


def _footer(page: Page) -> Html:
    again = "It is still running; this page renews itself." if page.state == "running" else None
    return tag("footer", tag("div", join("Written by gst. ", again)))
