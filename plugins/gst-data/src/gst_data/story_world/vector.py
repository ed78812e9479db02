"""A small anti-aliased vector painter in NumPy.

The pictures are part of a frozen benchmark, so they must not change with an imaging library's version. Shapes are
sampled on a 4 x 4 grid a pixel with IEEE arithmetic only, which gives the same bytes everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Point = tuple[float, float]
Color = tuple[int, int, int]
SAMPLES = 4


class Shape(Protocol):
    """A region of the plane; ``grow`` widens it on every side, in the shape's own units."""

    def bounds(self, grow: float) -> tuple[float, float, float, float]:
        """x0, y0, x1, y1 around the grown shape."""

    def inside(self, x: Floats, y: Floats, grow: float) -> Bools:
        """Which of the points lie in the grown shape."""


@dataclass(frozen=True)
class Ellipse:
    """An ellipse around (cx, cy), turned by ``turn`` degrees."""

    cx: float
    cy: float
    rx: float
    ry: float
    turn: float = 0.0

    def bounds(self, grow: float) -> tuple[float, float, float, float]:
        rx, ry = self.rx + grow, self.ry + grow
        if self.turn:
            rx = ry = max(rx, ry)
        return self.cx - rx, self.cy - ry, self.cx + rx, self.cy + ry

    def inside(self, x: Floats, y: Floats, grow: float) -> Bools:
        dx, dy = x - self.cx, y - self.cy
        if self.turn:
            c, s = math.cos(math.radians(self.turn)), math.sin(math.radians(self.turn))
            dx, dy = dx * c + dy * s, dy * c - dx * s
        rx, ry = self.rx + grow, self.ry + grow
        return (dx / rx) ** 2 + (dy / ry) ** 2 <= 1.0


def disc(cx: float, cy: float, r: float) -> Ellipse:
    """A circle."""
    return Ellipse(cx, cy, r, r)


@dataclass(frozen=True)
class Line:
    """A thick polyline with round ends, ``r`` the half width."""

    points: tuple[Point, ...]
    r: float

    def bounds(self, grow: float) -> tuple[float, float, float, float]:
        r = self.r + grow
        xs, ys = zip(*self.points, strict=True)
        return min(xs) - r, min(ys) - r, max(xs) + r, max(ys) + r

    def inside(self, x: Floats, y: Floats, grow: float) -> Bools:
        return _near(self.points, x, y, self.r + grow)


@dataclass(frozen=True)
class Polygon:
    """A filled polygon; ``r`` rounds its corners outwards."""

    points: tuple[Point, ...]
    r: float = 0.0

    def bounds(self, grow: float) -> tuple[float, float, float, float]:
        r = self.r + grow
        xs, ys = zip(*self.points, strict=True)
        return min(xs) - r, min(ys) - r, max(xs) + r, max(ys) + r

    def inside(self, x: Floats, y: Floats, grow: float) -> Bools:
        odd = np.zeros(np.broadcast_shapes(x.shape, y.shape), bool)
        for (x0, y0), (x1, y1) in zip(self.points, self.points[1:] + self.points[:1], strict=True):
            if y0 != y1:
                odd ^= ((y0 <= y) != (y1 <= y)) & (x < x0 + (y - y0) * ((x1 - x0) / (y1 - y0)))
        r = self.r + grow
        return odd | _near(self.points + self.points[:1], x, y, r) if r > 0 else odd


def box(x0: float, y0: float, x1: float, y1: float, r: float = 0.0) -> Polygon:
    """A rectangle with corners of radius ``r`` inside the given sides."""
    return Polygon(((x0 + r, y0 + r), (x1 - r, y0 + r), (x1 - r, y1 - r), (x0 + r, y1 - r)), r)


@dataclass(frozen=True)
class Both:
    """Where two shapes overlap."""

    a: Shape
    b: Shape

    def bounds(self, grow: float) -> tuple[float, float, float, float]:
        a, b = self.a.bounds(grow), self.b.bounds(grow)
        return max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])

    def inside(self, x: Floats, y: Floats, grow: float) -> Bools:
        return self.a.inside(x, y, grow) & self.b.inside(x, y, grow)


@dataclass(frozen=True)
class Without:
    """The first shape where the second is not."""

    a: Shape
    b: Shape

    def bounds(self, grow: float) -> tuple[float, float, float, float]:
        return self.a.bounds(grow)

    def inside(self, x: Floats, y: Floats, grow: float) -> Bools:
        return self.a.inside(x, y, grow) & ~self.b.inside(x, y, -grow)


def _near(points: Sequence[Point], x: Floats, y: Floats, r: float) -> Bools:
    """Points within ``r`` of a polyline."""
    hit = np.zeros(np.broadcast_shapes(x.shape, y.shape), bool)
    for (x0, y0), (x1, y1) in pairwise(points):
        dx, dy = x1 - x0, y1 - y0
        length = dx * dx + dy * dy
        t = np.clip(((x - x0) * dx + (y - y0) * dy) / length, 0.0, 1.0) if length else np.zeros_like(x)
        hit |= (x - x0 - t * dx) ** 2 + (y - y0 - t * dy) ** 2 <= r * r
    return hit


@dataclass
class Canvas:
    """Premultiplied RGBA in 0..1.

    Args:
        width: Pixels.
        height: Pixels.
        scale: Pixels a unit.
        origin: The point, in units, at the top left corner.
    """

    width: int
    height: int
    scale: float
    origin: Point = (0.0, 0.0)
    rgb: Floats = field(init=False)
    alpha: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.rgb = np.zeros((self.height, self.width, 3))
        self.alpha = np.zeros((self.height, self.width))

    def coverage(self, shape: Shape, grow: float = 0.0) -> tuple[tuple[slice, slice], Floats] | None:
        """The pixels a shape touches and how much of each it covers; None outside the canvas."""
        ox, oy = self.origin
        x0, y0, x1, y1 = shape.bounds(grow)
        left, right = max(0, math.floor((x0 - ox) * self.scale)), min(self.width, math.ceil((x1 - ox) * self.scale))
        top, bottom = max(0, math.floor((y0 - oy) * self.scale)), min(self.height, math.ceil((y1 - oy) * self.scale))
        if left >= right or top >= bottom:
            return None
        x: Floats = ox + (np.arange(left * SAMPLES, right * SAMPLES, dtype=np.float64) + 0.5) / (SAMPLES * self.scale)
        y: Floats = oy + (np.arange(top * SAMPLES, bottom * SAMPLES, dtype=np.float64) + 0.5) / (SAMPLES * self.scale)
        hit = shape.inside(x[None, :], y[:, None], grow)
        cover = hit.reshape(bottom - top, SAMPLES, right - left, SAMPLES).mean((1, 3))
        return (slice(top, bottom), slice(left, right)), cover

    def fill(self, color: Color, *shapes: Shape, grow: float = 0.0, opacity: float = 1.0) -> None:
        """Paints shapes over what is there."""
        for shape in shapes:
            if found := self.coverage(shape, grow):
                where, cover = found
                self.over(where, cover * opacity, color)

    def over(self, where: tuple[slice, slice], cover: Floats, color: Color) -> None:
        """Blends one colour in."""
        self.rgb[where] = self.rgb[where] * (1 - cover)[..., None] + cover[..., None] * (np.array(color) / 255.0)
        self.alpha[where] = self.alpha[where] * (1 - cover) + cover

    def solid(self, color: Color, *shapes: Shape, edge: float, ink: Color) -> None:
        """Paints shapes as one body: the outline around all of them first, then their inside."""
        self.fill(ink, *shapes, grow=edge)
        self.fill(color, *shapes)
