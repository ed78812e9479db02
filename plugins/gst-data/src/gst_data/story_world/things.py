"""What characters hold, and the signs of sleep and song: drawn in a box of the body's units around (0, 0)."""

from __future__ import annotations

from collections.abc import Callable

from gst_data.story_world.figures import INK, WHITE
from gst_data.story_world.vector import Both, Canvas, Color, Ellipse, Line, Polygon, Shape, box, disc

EDGE = 0.026


def _thing(c: Canvas, color: Color, *shapes: Shape) -> None:
    c.solid(color, *shapes, edge=EDGE, ink=INK)


def ball(c: Canvas) -> None:
    """A red and white ball."""
    _thing(c, (235, 50, 50), disc(0, 0, 0.15))
    c.fill(WHITE, Both(disc(0, 0, 0.15), box(-0.05, -0.2, 0.05, 0.2)))


def balloon(c: Canvas) -> None:
    """An orange balloon on a string."""
    c.fill(INK, Line(((0, 0.05), (0.02, -0.3)), 0.014))
    _thing(c, (255, 130, 20), Ellipse(0.03, -0.4, 0.14, 0.17), Polygon(((-0.01, -0.22), (0.07, -0.22), (0.03, -0.25))))
    c.fill((255, 220, 170), Ellipse(-0.02, -0.46, 0.035, 0.055))


def cake(c: Canvas) -> None:
    """A small cake with a candle."""
    c.fill(INK, box(-0.03, -0.24, 0.03, -0.1))
    c.fill((255, 220, 60), disc(0, -0.24, 0.045))
    _thing(c, (250, 224, 190), box(-0.17, -0.1, 0.17, 0.12, 0.02))
    c.fill(
        (240, 90, 150),
        box(-0.17, -0.1, 0.17, -0.02),
        disc(-0.1, -0.01, 0.04),
        disc(0.02, 0.0, 0.04),
        disc(0.12, -0.01, 0.04),
    )


def lantern(c: Canvas) -> None:
    """A glowing lantern."""
    c.fill((255, 236, 120), disc(0, 0.05, 0.28), opacity=0.25)
    c.fill((255, 236, 120), disc(0, 0.05, 0.21), opacity=0.35)
    c.fill(INK, Line(((-0.08, -0.1), (0, -0.18), (0.08, -0.1)), 0.02))
    _thing(c, (255, 226, 70), box(-0.1, -0.1, 0.1, 0.18, 0.02))
    c.fill((190, 60, 30), box(-0.11, -0.11, 0.11, -0.05), box(-0.11, 0.14, 0.11, 0.19))


def book(c: Canvas) -> None:
    """An open book."""
    _thing(c, (40, 70, 190), Polygon(((-0.2, -0.1), (0, -0.05), (0.2, -0.1), (0.2, 0.12), (0, 0.16), (-0.2, 0.12))))
    c.fill(WHITE, Polygon(((-0.16, -0.1), (-0.015, -0.05), (-0.015, 0.11), (-0.16, 0.07))))
    c.fill(WHITE, Polygon(((0.16, -0.1), (0.015, -0.05), (0.015, 0.11), (0.16, 0.07))))


def flower(c: Canvas) -> None:
    """A big pink flower."""
    c.fill((30, 130, 50), Line(((0, -0.1), (0, 0.2)), 0.03))
    _thing(c, (250, 80, 200), *(disc(x, y - 0.16, 0.08) for x, y in ((-0.1, 0), (0.1, 0), (0, -0.1), (0, 0.1))))
    c.fill((255, 230, 60), disc(0, -0.16, 0.065))


def umbrella(c: Canvas) -> None:
    """A green and white umbrella."""
    c.fill(INK, Line(((0, -0.5), (0, 0.12)), 0.022))
    roof = Both(Ellipse(0, -0.36, 0.32, 0.26), box(-0.4, -0.7, 0.4, -0.36))
    _thing(c, (60, 200, 110), roof)
    c.fill(WHITE, Both(Ellipse(0, -0.36, 0.13, 0.26), box(-0.4, -0.7, 0.4, -0.36)))


def snooze(c: Canvas) -> None:
    """Two letters Z."""
    for x, y, r in ((0.0, 0.0, 0.12), (0.2, -0.2, 0.08)):
        z = Line(((x - r, y - r), (x + r, y - r), (x - r, y + r), (x + r, y + r)), r * 0.24)
        c.fill(INK, z, grow=0.03)
        c.fill((250, 250, 255), z)


def note(c: Canvas) -> None:
    """A pair of quavers."""
    shapes = (
        Ellipse(-0.09, 0.1, 0.075, 0.06),
        Ellipse(0.15, 0.06, 0.075, 0.06),
        Line(((-0.03, 0.1), (-0.03, -0.18), (0.21, -0.22), (0.21, 0.06)), 0.03),
    )
    c.fill(WHITE, *shapes, grow=0.03)
    c.fill((20, 20, 40), *shapes)


# Where each is drawn, in the body's box, and by what.
THINGS: dict[str, tuple[tuple[float, float], Callable[[Canvas], None]]] = {
    "ball": ((0.88, 0.62), ball),
    "balloon": ((0.92, 0.58), balloon),
    "cake": ((0.86, 0.6), cake),
    "lantern": ((0.88, 0.66), lantern),
    "book": ((0.8, 0.72), book),
    "flower": ((0.9, 0.6), flower),
    "umbrella": ((0.88, 0.5), umbrella),
    "sleep": ((0.88, 0.1), snooze),
    "sing": ((0.96, 0.1), note),
}
