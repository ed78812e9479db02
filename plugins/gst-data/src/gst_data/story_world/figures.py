"""How each character looks: nine drawings in a box of 1 x 1, feet on y = 1, middle at x = 0.5."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from gst_data.story_world.vector import Both, Canvas, Color, Ellipse, Line, Point, Polygon, Shape, box, disc

INK: Color = (38, 28, 52)
WHITE: Color = (255, 255, 255)
EDGE = 0.032


@dataclass(frozen=True)
class Pose:
    """What a body does, apart from where it is."""

    left_up: bool = False
    right: str = "down"  # down, up, hold
    asleep: bool = False
    mouth: str = "smile"  # smile, open


def _body(c: Canvas, color: Color, *shapes: Shape) -> None:
    c.solid(color, *shapes, edge=EDGE, ink=INK)


def _arms(c: Canvas, color: Color, left: Point, right: Point, pose: Pose, *, r: float = 0.065) -> None:
    """Two stubs from the shoulders; a raised one goes up beside the head."""
    (lx, ly), (rx, ry) = left, right
    hand_l = (lx - 0.13, ly - 0.24) if pose.left_up else (lx - 0.06, ly + 0.16)
    ends = {"down": (rx + 0.06, ry + 0.16), "up": (rx + 0.13, ry - 0.24), "hold": (rx + 0.12, ry + 0.02)}
    _body(c, color, Line((left, hand_l), r), Line((right, ends[pose.right]), r))


def _face(c: Canvas, pose: Pose, y: float, apart: float, *, r: float, mouth: float) -> None:
    """Eyes at height ``y`` and a mouth ``mouth`` below them."""
    x = 0.5
    for ex in (x - apart, x + apart):
        if pose.asleep:
            c.fill(INK, Line(((ex - r, y), (ex, y + r * 0.6), (ex + r, y)), 0.022))
        else:
            c.fill(INK, Ellipse(ex, y, r, r * 1.2))
            c.fill(WHITE, disc(ex + r * 0.35, y - r * 0.4, r * 0.36))
    if pose.mouth == "open":
        c.fill((130, 20, 40), Ellipse(x, y + mouth + 0.01, 0.06, 0.07))
    elif not pose.asleep:
        c.fill(INK, Line(((x - 0.07, y + mouth - 0.01), (x, y + mouth + 0.03), (x + 0.07, y + mouth - 0.01)), 0.02))


def _cheeks(c: Canvas, color: Color, y: float, apart: float) -> None:
    c.fill(color, Ellipse(0.5 - apart, y, 0.055, 0.038), Ellipse(0.5 + apart, y, 0.055, 0.038), opacity=0.8)


def bobo(c: Canvas, pose: Pose) -> None:
    """A round brown bear."""
    fur, light = (150, 88, 42), (236, 190, 132)
    _arms(c, fur, (0.2, 0.6), (0.8, 0.6), pose, r=0.08)
    _body(c, fur, Ellipse(0.33, 0.94, 0.12, 0.07), Ellipse(0.67, 0.94, 0.12, 0.07), Ellipse(0.5, 0.7, 0.34, 0.25))
    c.fill(light, Ellipse(0.5, 0.76, 0.2, 0.16))
    _body(c, fur, disc(0.23, 0.12, 0.11), disc(0.77, 0.12, 0.11), Ellipse(0.5, 0.33, 0.35, 0.29))
    c.fill(light, disc(0.23, 0.12, 0.055), disc(0.77, 0.12, 0.055), Ellipse(0.5, 0.44, 0.19, 0.14))
    _face(c, pose, 0.29, 0.17, r=0.05, mouth=0.2)
    c.fill(INK, Ellipse(0.5, 0.38, 0.06, 0.045))


def pim(c: Canvas, pose: Pose) -> None:
    """A girl in a pointed red hood."""
    red, skin = (226, 38, 44), (255, 214, 176)
    c.solid((70, 50, 60), Ellipse(0.37, 0.96, 0.1, 0.05), Ellipse(0.63, 0.96, 0.1, 0.05), edge=EDGE, ink=INK)
    _arms(c, red, (0.26, 0.66), (0.74, 0.66), pose)
    _body(c, red, Polygon(((0.5, 0.06), (0.86, 0.9), (0.14, 0.9)), 0.05))
    c.fill((250, 206, 66), Ellipse(0.5, 0.47, 0.215, 0.2))
    c.fill(skin, Ellipse(0.5, 0.5, 0.185, 0.17))
    c.fill(
        (250, 206, 66),
        Both(Ellipse(0.5, 0.5, 0.19, 0.18), Polygon(((0.3, 0.3), (0.7, 0.3), (0.7, 0.36), (0.4, 0.44), (0.3, 0.48)))),
    )
    _face(c, pose, 0.5, 0.085, r=0.038, mouth=0.1)
    _cheeks(c, (250, 140, 130), 0.57, 0.12)
    c.fill((255, 236, 120), disc(0.5, 0.74, 0.035), disc(0.5, 0.84, 0.035))


def zuki(c: Canvas, pose: Pose) -> None:
    """A pink rabbit with long ears."""
    pink, light = (255, 122, 186), (255, 214, 232)
    _body(c, pink, Ellipse(0.36, 0.19, 0.085, 0.21, -8), Ellipse(0.64, 0.19, 0.085, 0.21, 8))
    c.fill(light, Ellipse(0.36, 0.2, 0.04, 0.15, -8), Ellipse(0.64, 0.2, 0.04, 0.15, 8))
    _arms(c, pink, (0.29, 0.73), (0.71, 0.73), pose)
    _body(c, pink, Ellipse(0.36, 0.95, 0.13, 0.06), Ellipse(0.64, 0.95, 0.13, 0.06), Ellipse(0.5, 0.8, 0.24, 0.18))
    c.fill(light, Ellipse(0.5, 0.83, 0.14, 0.13))
    _body(c, pink, Ellipse(0.5, 0.5, 0.3, 0.22))
    _face(c, pose, 0.47, 0.13, r=0.05, mouth=0.13)
    c.fill((200, 40, 110), Ellipse(0.5, 0.545, 0.04, 0.028))
    _cheeks(c, (255, 70, 140), 0.57, 0.21)


def tolo(c: Canvas, pose: Pose) -> None:
    """A wide green frog."""
    green, light = (62, 176, 58), (196, 238, 130)
    _arms(c, green, (0.14, 0.7), (0.86, 0.7), pose)
    _body(c, green, Ellipse(0.2, 0.94, 0.19, 0.06), Ellipse(0.8, 0.94, 0.19, 0.06), Ellipse(0.5, 0.72, 0.43, 0.25))
    _body(c, green, disc(0.27, 0.42, 0.145), disc(0.73, 0.42, 0.145))
    c.fill(green, Ellipse(0.5, 0.68, 0.4, 0.22))
    c.fill(light, Ellipse(0.5, 0.86, 0.27, 0.1))
    for x in (0.27, 0.73):
        if pose.asleep:
            c.fill(INK, Line(((x - 0.09, 0.42), (x, 0.46), (x + 0.09, 0.42)), 0.024))
        else:
            c.fill(WHITE, disc(x, 0.41, 0.1))
            c.fill(INK, disc(x + 0.015, 0.42, 0.055))
    if pose.mouth == "open":
        c.fill((130, 20, 40), Ellipse(0.5, 0.68, 0.14, 0.075))
    else:
        c.fill(INK, Line(((0.24, 0.62), (0.36, 0.69), (0.5, 0.71), (0.64, 0.69), (0.76, 0.62)), 0.022))


def ovvi(c: Canvas, pose: Pose) -> None:
    """A purple octopus."""
    purple, light = (138, 60, 200), (206, 150, 246)
    _arms(c, purple, (0.2, 0.62), (0.8, 0.62), pose, r=0.07)
    legs = [
        Line(((0.5 + d * 0.5, 0.6), (0.5 + d * 0.9, 0.86), (0.5 + d * 1.15, 0.93)), 0.066)
        for d in (-0.32, -0.11, 0.11, 0.32)
    ]
    _body(c, purple, *legs, Ellipse(0.5, 0.36, 0.36, 0.34), Ellipse(0.5, 0.6, 0.28, 0.16))
    c.fill(light, *(disc(0.5 + d * 1.15, 0.93, 0.032) for d in (-0.32, -0.11, 0.11, 0.32)))
    c.fill(light, disc(0.36, 0.13, 0.05), disc(0.52, 0.09, 0.035), disc(0.64, 0.15, 0.045))
    for x in (0.35, 0.65):
        if not pose.asleep:
            c.fill(WHITE, Ellipse(x, 0.4, 0.105, 0.12))
    _face(c, pose, 0.41, 0.15, r=0.06, mouth=0.2)


def krix(c: Canvas, pose: Pose) -> None:
    """A square teal robot."""
    teal, dark, screen = (24, 186, 190), (14, 120, 132), (18, 52, 70)
    c.fill(INK, Line(((0.5, 0.06), (0.5, 0.2)), 0.03))
    c.solid((255, 92, 60), disc(0.5, 0.06, 0.055), edge=EDGE * 0.8, ink=INK)
    _arms(c, dark, (0.2, 0.66), (0.8, 0.66), pose, r=0.055)
    _body(c, dark, box(0.27, 0.86, 0.43, 0.99), box(0.57, 0.86, 0.73, 0.99))
    _body(c, teal, box(0.2, 0.58, 0.8, 0.9, 0.03))
    c.fill((240, 250, 250), box(0.33, 0.67, 0.67, 0.82, 0.02))
    c.fill((255, 92, 60), disc(0.41, 0.745, 0.04))
    c.fill((250, 200, 40), disc(0.52, 0.745, 0.04))
    _body(c, teal, box(0.12, 0.17, 0.88, 0.57, 0.04))
    c.fill(screen, box(0.2, 0.24, 0.8, 0.5, 0.04))
    glow = (170, 255, 230)
    for x in (0.35, 0.65):
        if pose.asleep:
            c.fill(glow, box(x - 0.07, 0.34, x + 0.07, 0.38))
        else:
            c.fill(glow, box(x - 0.06, 0.28, x + 0.06, 0.4, 0.02))
    if pose.mouth == "open":
        c.fill(glow, box(0.42, 0.42, 0.58, 0.49))
    else:
        c.fill(glow, box(0.42, 0.44, 0.58, 0.465))


def wumo(c: Canvas, pose: Pose) -> None:
    """A white ghost."""
    white, blue = (250, 250, 255), (176, 196, 236)
    _arms(c, white, (0.24, 0.56), (0.76, 0.56), pose, r=0.075)
    hem = [(0.17 + 0.66 * i / 6, 0.96 if i % 2 == 0 else 0.84) for i in range(7)]
    _body(c, white, Ellipse(0.5, 0.36, 0.34, 0.34), Polygon(((0.17, 0.36), *hem, (0.83, 0.36)), 0.015))
    c.fill(
        blue,
        Both(Ellipse(0.5, 0.36, 0.34, 0.34), Polygon(((0.7, 0.0), (0.9, 0.0), (0.9, 0.8), (0.74, 0.4)))),
        opacity=0.6,
    )
    c.fill(blue, Polygon(((0.74, 0.36), (0.84, 0.36), (0.83, 0.94), (0.76, 0.86))), opacity=0.6)
    if pose.asleep:
        _face(c, pose, 0.36, 0.13, r=0.075, mouth=0.2)
    else:
        for x in (0.37, 0.63):
            c.fill(INK, Ellipse(x, 0.35, 0.07, 0.11))
            c.fill(WHITE, disc(x + 0.02, 0.31, 0.028))
        c.fill((130, 20, 40), Ellipse(0.5, 0.54, 0.06, 0.08 if pose.mouth == "open" else 0.035))
    _cheeks(c, (255, 160, 180), 0.48, 0.22)


def lurra(c: Canvas, pose: Pose) -> None:
    """A yellow star."""
    yellow = (255, 216, 20)
    points = []
    for i in range(10):
        angle, r = math.pi * (i / 5 - 0.5), 0.47 if i % 2 == 0 else 0.245
        points.append((0.5 + r * math.cos(angle), 0.5 + r * math.sin(angle)))
    c.solid(
        (240, 130, 20),
        Line(((0.38, 0.75), (0.36, 0.96)), 0.05),
        Line(((0.62, 0.75), (0.64, 0.96)), 0.05),
        edge=EDGE,
        ink=INK,
    )
    _arms(c, yellow, (0.16, 0.42), (0.84, 0.42), pose, r=0.045)
    _body(c, yellow, Polygon(tuple(points), 0.045))
    c.fill((255, 240, 150), Polygon(((0.5, 0.1), (0.58, 0.3), (0.5, 0.36), (0.42, 0.3)), 0.01))
    _face(c, pose, 0.46, 0.1, r=0.05, mouth=0.14)
    _cheeks(c, (255, 140, 60), 0.57, 0.18)


def doff(c: Canvas, pose: Pose) -> None:
    """A tall blue penguin."""
    blue, orange = (38, 92, 214), (255, 150, 30)
    c.solid(orange, Ellipse(0.36, 0.955, 0.13, 0.045), Ellipse(0.64, 0.955, 0.13, 0.045), edge=EDGE, ink=INK)
    _arms(c, blue, (0.25, 0.5), (0.75, 0.5), pose, r=0.06)
    _body(c, blue, Ellipse(0.5, 0.25, 0.25, 0.25), Ellipse(0.5, 0.6, 0.295, 0.35))
    c.fill(WHITE, Ellipse(0.5, 0.66, 0.2, 0.26), Ellipse(0.42, 0.25, 0.11, 0.13), Ellipse(0.58, 0.25, 0.11, 0.13))
    if pose.asleep:
        _face(c, pose, 0.23, 0.085, r=0.042, mouth=0.2)
    else:
        c.fill(INK, disc(0.42, 0.23, 0.045), disc(0.58, 0.23, 0.045))
    c.solid(
        orange,
        Polygon(((0.43, 0.31), (0.57, 0.31), (0.5, 0.42 if pose.mouth == "open" else 0.37)), 0.02),
        edge=0.015,
        ink=INK,
    )
    if pose.mouth == "open":
        c.fill((130, 20, 40), Ellipse(0.5, 0.36, 0.03, 0.04))


FIGURES: tuple[Callable[[Canvas, Pose], None], ...] = (bobo, pim, zuki, tolo, ovvi, krix, wumo, lurra, doff)
