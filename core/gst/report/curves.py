"""Line charts of logged scalars, as SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gst.report.html import Html, join, tag

WIDTH, HEIGHT = 320, 150
LEFT, RIGHT, TOP, BOTTOM = 40, 10, 10, 20
POINTS = 160


@dataclass(frozen=True)
class Curve:
    """One scalar over the iterations of one step."""

    name: str
    iterations: Sequence[int]
    values: Sequence[float]


def chart(curve: Curve) -> Html:
    """The mean of the values in each of at most 160 stretches, over a band from their least to their greatest.

    The scale is logarithmic where the values are positive and fall by more than a factor of ten, as losses do. Values
    that are not finite are left out.
    """
    points = [(i, v) for i, v in zip(curve.iterations, curve.values, strict=True) if math.isfinite(v)]
    if not points:
        return tag("p", f"{curve.name}: nothing finite was logged", class_="faint")
    stretches = _stretches(points)
    low, high = min(s[2] for s in stretches), max(s[3] for s in stretches)
    log = low > 0 and high / low > 10 and points[-1][1] < points[0][1]
    scale = _scale(low, high, log)
    first, last = points[0][0], points[-1][0]

    def x(iteration: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (iteration - first) / max(1, last - first), 1)

    def y(value: float) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * scale(value), 1)

    line = " ".join(f"{x(i)},{y(mean)}" for i, mean, _, _ in stretches)
    band = " ".join(
        [f"{x(i)},{y(top)}" for i, _, _, top in stretches]
        + [f"{x(i)},{y(bottom)}" for i, _, bottom, _ in reversed(stretches)]
    )
    grid = [
        join(
            tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y(tick), y2=y(tick), class_="grid"),
            tag("text", short(tick), x=LEFT - 5, y=y(tick) + 3, text_anchor="end"),
        )
        for tick in _ticks(low, high, log)
    ]
    end = points[-1][1]
    return tag(
        "svg",
        tag("title", f"{curve.name}: {short(points[0][1])} at {first}, {short(end)} at {last}"),
        grid,
        tag("polygon", points=band, class_="band"),
        tag("polyline", points=line, class_="line"),
        tag("circle", cx=x(stretches[-1][0]), cy=y(stretches[-1][1]), r=2.6, class_="dot"),
        tag("text", f"{first:,}", x=LEFT, y=HEIGHT - 5),
        tag("text", f"{last:,}", x=WIDTH - RIGHT, y=HEIGHT - 5, text_anchor="end"),
        tag("text", "log" if log else None, x=WIDTH / 2, y=HEIGHT - 5, text_anchor="middle"),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        class_="chart",
    )


def short(value: float) -> str:
    """A number in about four characters: 0.0123, 1.85, 42.1, 1,234, 3.2e-5."""
    size = abs(value)
    if not math.isfinite(value) or size == 0:
        return "0" if size == 0 else str(value)
    if size < 1e-3 or size >= 1e6:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa.removesuffix('.0')}e{int(exponent)}"
    if size >= 1000:
        return f"{value:,.0f}"
    digits = 2 - math.floor(math.log10(size))
    text = f"{value:.{max(0, digits)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _stretches(points: Sequence[tuple[int, float]]) -> list[tuple[float, float, float, float]]:
    """(iteration, mean, least, greatest) of at most `POINTS` stretches of equal count."""
    size = max(1, math.ceil(len(points) / POINTS))
    out = []
    for start in range(0, len(points), size):
        part = points[start : start + size]
        values = [v for _, v in part]
        middle = part[-1][0] if start + size >= len(points) else part[0][0]
        out.append((float(middle), sum(values) / len(values), min(values), max(values)))
    return out


def _scale(low: float, high: float, log: bool) -> Callable[[float], float]:
    if low == high:
        return lambda value: 0.5
    if log:
        return lambda value: (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))
    return lambda value: (value - low) / (high - low)


def _ticks(low: float, high: float, log: bool) -> list[float]:
    """Two to five round values between `low` and `high`."""
    if low == high:
        return [low]
    if log:
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        steps = (1,) if len(decades) > 4 else (1, 3)
        inside = [m * 10.0**d for d in decades for m in steps if low <= m * 10.0**d <= high]
        return inside[:: max(1, math.ceil(len(inside) / 5))] or [low, high]
    step = 10.0 ** math.floor(math.log10((high - low) / 2))
    for factor in (1, 2, 5, 10):
        if (high - low) / (step * factor) <= 4:
            step *= factor
            break
    return [step * k for k in range(math.ceil(low / step), math.floor(high / step) + 1)]
