"""Parts of the page: a headed section, charts of one step, the histogram of codes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gst.report.curves import Curve, chart, short
from gst.report.html import Html, join, tag


def section(title: str, lead: str | None, *children: Html | None) -> Html:
    """A heading, a sentence, and what belongs to it."""
    return tag("section", tag("h2", title), tag("p", lead, class_="lead") if lead else None, *children)


def card(*children: Html | None) -> Html:
    """A framed box."""
    return tag("div", *children, class_="card")


def charts(step: str, curves: Sequence[Curve]) -> Html:
    """All curves of one step."""
    boxes = [
        tag("div", tag("h3", curve.name, " ", tag("small", short(curve.values[-1]))), chart(curve), class_="card")
        for curve in curves
    ]
    return join(tag("p", step, class_="label"), tag("div", *boxes, class_="charts"), tag("p"))


def histogram(counts: NDArray[np.int64]) -> Html:
    """Use of every code, most used first, with the share of codes in use and the perplexity."""
    total = max(1, int(counts.sum()))
    share = np.sort(counts)[::-1] / total
    used = int((counts > 0).sum())
    nonzero = share[share > 0]
    perplexity = float(np.exp(-(nonzero * np.log(nonzero)).sum())) if len(nonzero) else 0.0
    width, height = 1000, 130
    top = max(float(share[0]), 1e-12)
    columns = share if len(share) <= 512 else share[np.linspace(0, len(share) - 1, 512).round().astype(int)]
    step = width / len(columns)
    bars = [
        tag(
            "rect",
            x=round(i * step, 2),
            y=round(height - height * part / top, 1),
            width=round(step * 0.82, 2),
            height=round(height * part / top, 1),
            class_="column",
        )
        for i, part in enumerate(columns.tolist())
        if part > 0
    ]
    says = (
        f"{used} of {len(counts)} codes are in use, as if {perplexity:.0f} were used equally (perplexity). "
        f"The most frequent one is {100 * float(share[0]):.1f} % of {total:,} tokens."
    )
    svg = tag(
        "svg", *bars, viewBox=f"0 0 {width} {height}", preserveAspectRatio="none", role="img", class_="chart codes"
    )
    return card(tag("p", says), svg)
