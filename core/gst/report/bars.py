"""The table of numbers: every value on a scale from its floor to its ceiling, with its interval and signature."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gst.report.curves import short
from gst.report.html import Html, join, tag

WIDTH, HEIGHT, MARGIN = 240, 26, 8


@dataclass(frozen=True)
class Scale:
    """Maps values of one metric to [0, 1], better to the right.

    Args:
        left: the value at the left end.
        right: the value at the right end.
    """

    left: float
    right: float

    def __call__(self, value: float) -> float:
        return 0.5 if self.left == self.right else min(1.0, max(0.0, (value - self.left) / (self.right - self.left)))


def numbers(rows: Sequence[dict[str, Any]]) -> Html:
    """Rows of a `Table`, grouped by metric in their order; "char-f1/recall" goes folded under "char-f1"."""
    metrics: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        metrics.setdefault(str(row["metric"]), []).append(row)
    parts: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for name, group in metrics.items():
        whole, slash, part = name.rpartition("/")
        if slash and whole in metrics:
            parts.setdefault(whole, {})[part] = group
    folded = {f"{whole}/{part}" for whole, inside in parts.items() for part in inside}
    return join(*(_metric(n, group, parts.get(n, {})) for n, group in metrics.items() if n not in folded))


def share(row: dict[str, Any]) -> float | None:
    """How far the value is on the way from floor to ceiling: 0 at the floor, 1 at the ceiling.

    None without both, and where the ceiling is no better than the floor: then there is no way to go.
    """
    floor, ceiling, value = row.get("floor"), row.get("ceiling"), row["value"]
    if floor is None or ceiling is None or not math.isfinite(value):
        return None
    way = float(ceiling - floor)
    better = {"up": way > 0, "down": way < 0}.get(str(row.get("direction")), False)
    return float(value - floor) / way if better else None


def _metric(name: str, rows: Sequence[dict[str, Any]], parts: dict[str, list[dict[str, Any]]]) -> Html:
    direction = rows[0].get("direction")
    hint = {"up": "higher is better", "down": "lower is better"}.get(str(direction), "no better or worse")
    scale = _scale(rows)
    body = [_row(row, scale) for row in rows]
    head = tag("h3", name, " ", tag("small", hint))
    return tag("section", head, tag("div", *body), _parts(parts) if parts else None, class_="metric card")


def _parts(parts: dict[str, list[dict[str, Any]]]) -> Html:
    """Parts of a metric as a table: one row a part, one column a source."""
    sources = list(dict.fromkeys(str(row.get("of", "")) for rows in parts.values() for row in rows))
    lines = []
    for part, rows in parts.items():
        found = {str(row.get("of", "")): short(row["value"]) for row in rows}
        lines.append(tag("tr", tag("th", part), *(tag("td", found.get(s, "")) for s in sources)))
    table = tag("table", tag("tr", tag("th"), *(tag("th", s) for s in sources)), *lines)
    return tag(
        "details",
        tag("summary", "in parts: ", ", ".join(list(parts)[:3]), " …" if len(parts) > 3 else "", class_="parts"),
        tag("div", table, class_="wide"),
    )


def _scale(rows: Sequence[dict[str, Any]]) -> Scale:
    known = [
        float(row[key])
        for row in rows
        for key in ("value", "low", "high", "floor", "ceiling")
        if row.get(key) is not None and math.isfinite(row[key])
    ] or [0.0]
    low, high = min(known), max(known)
    room = 0.04 * (high - low)
    low, high = low - room, high + room
    return Scale(high, low) if rows[0].get("direction") == "down" else Scale(low, high)


def _row(row: dict[str, Any], scale: Scale) -> Html:
    interval = None
    if row.get("low") is not None and row.get("high") is not None:
        interval = tag("small", f" {short(row['low'])} – {short(row['high'])}")
    part = None if row["value"] in (row.get("floor"), row.get("ceiling")) else share(row)
    way = None if part is None else f"{round(100 * part)} % of the way"
    about = [f"{key} {short(row[key])}" for key in ("floor", "ceiling") if row.get(key) is not None]
    return tag(
        "details",
        tag(
            "summary",
            tag("span", str(row.get("of", "")), class_="of"),
            tag("span", tag("b", short(row["value"])), interval, class_="value"),
            _bar(row, scale),
            tag("span", way, class_="way"),
        ),
        tag("p", " · ".join(about), class_="faint") if about else None,
        tag("pre", _signature(row.get("signature")), class_="signature"),
    )


def _signature(signature: Any) -> str:
    if isinstance(signature, str):
        return signature
    if isinstance(signature, dict):
        return "\n".join(
            f"{key}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)}"
            for key, value in signature.items()
        )
    return "no signature" if signature is None else json.dumps(signature, default=str)


def _bar(row: dict[str, Any], scale: Scale) -> Html:
    def x(value: float) -> float:
        return round(MARGIN + (WIDTH - 2 * MARGIN) * scale(value), 1)

    middle, marks = HEIGHT / 2, []
    floor, ceiling, value = row.get("floor"), row.get("ceiling"), row["value"]
    if floor is not None and ceiling is not None:
        left, right = sorted((x(floor), x(ceiling)))
        marks.append(tag("rect", x=left, y=middle - 3, width=round(right - left, 1), height=6, rx=3, class_="span"))
        if math.isfinite(value):
            a, b = sorted((x(floor), x(value)))
            marks.append(tag("rect", x=a, y=middle - 3, width=round(b - a, 1), height=6, rx=3, class_="done"))
    for key in ("floor", "ceiling"):
        if (at := row.get(key)) is not None:
            title = tag("title", f"{key} {short(at)}")
            marks.append(tag("line", title, x1=x(at), x2=x(at), y1=middle - 8, y2=middle + 8, class_=f"end {key}"))
    if row.get("low") is not None and row.get("high") is not None:
        marks.append(tag("line", x1=x(row["low"]), x2=x(row["high"]), y1=middle, y2=middle, class_="interval"))
    if math.isfinite(value):
        marks.append(tag("circle", tag("title", short(value)), cx=x(value), cy=middle, r=5, class_="dot"))
    return tag("svg", *marks, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", class_="bar")
