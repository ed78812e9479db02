"""The nine places, drawn in frame units: (0, 0) top left, (1, 1) bottom right, the ground from y = 0.52 down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gst_data.story_world.vector import Both, Canvas, Color, Ellipse, Line, Polygon, box, disc

GROUND = 0.52


@dataclass(frozen=True)
class Place:
    """Colours of the day, the drawing of the land, and what shines at night.

    Args:
        sky: Colours of the clear day sky, top and bottom.
        land: Draws everything below and before the sky.
        lights: Draws what shines by itself, over the darkened land.
    """

    sky: tuple[Color, Color]
    land: Callable[[Canvas], None]
    lights: Callable[[Canvas], None]


def _nothing(c: Canvas) -> None:
    """No lights."""


def _hill(c: Canvas, color: Color, cx: float, top: float, radii: tuple[float, float]) -> None:
    rx, ry = radii
    c.fill(color, Ellipse(cx, top + ry, rx, ry))


def _floor(c: Canvas, color: Color, near: Color, y: float = GROUND) -> None:
    """Ground with a lighter or darker strip in front, so that feet stand on something."""
    c.fill(color, box(-0.1, y, 1.1, 1.1))
    c.fill(near, Ellipse(0.5, 1.12, 0.95, 0.3))


def _dots(c: Canvas, color: Color, points: tuple[tuple[float, float], ...], r: float) -> None:
    c.fill(color, *(Ellipse(x, y, r, r * 0.5) for x, y in points))


def beach(c: Canvas) -> None:
    """Sand, sea, a palm and a sail."""
    c.fill((34, 142, 206), box(-0.1, 0.4, 1.1, 0.6))
    c.fill((96, 190, 232), box(-0.1, 0.5, 1.1, 0.6))
    c.fill(
        (255, 255, 255),
        Polygon(((0.68, 0.28), (0.68, 0.42), (0.57, 0.42))),
        Polygon(((0.7, 0.24), (0.7, 0.42), (0.79, 0.42))),
    )
    c.fill((170, 60, 40), Polygon(((0.56, 0.43), (0.8, 0.43), (0.76, 0.47), (0.6, 0.47))))
    c.fill((255, 255, 255), Ellipse(0.5, 1.03, 1.3, 0.505))
    _floor(c, (246, 218, 150), (252, 230, 172), 0.6)
    c.fill((246, 218, 150), Ellipse(0.5, 1.03, 1.3, 0.49))
    c.fill((252, 230, 172), Ellipse(0.5, 1.12, 0.95, 0.3))
    c.fill((150, 98, 52), Line(((0.1, 0.62), (0.1, 0.45), (0.14, 0.28)), 0.018))
    for end in ((-0.02, 0.3), (0.02, 0.2), (0.16, 0.14), (0.28, 0.2), (0.3, 0.31)):
        c.fill((42, 150, 74), Polygon(((0.14, 0.25), end, (0.14, 0.3)), 0.012))
    _dots(c, (226, 190, 116), ((0.33, 0.7), (0.66, 0.66), (0.9, 0.72), (0.08, 0.8)), 0.022)


def forest(c: Canvas) -> None:
    """Firs before dark trees."""
    c.fill(
        (34, 104, 66),
        box(-0.1, 0.3, 1.1, 0.6),
        *(disc(x, 0.3, 0.09) for x in (0.02, 0.2, 0.36, 0.52, 0.68, 0.84, 0.99)),
    )
    _floor(c, (74, 146, 66), (98, 168, 74))
    for x, y, s in ((0.28, 0.5, 0.8), (0.74, 0.5, 0.85), (0.07, 0.56, 1.1), (0.94, 0.57, 1.15)):
        c.fill((96, 62, 40), box(x - 0.022 * s, y - 0.06 * s, x + 0.022 * s, y + 0.03))
        for k, (w, h) in enumerate(((0.12, 0.0), (0.1, 0.1), (0.075, 0.2))):
            base = y - 0.04 * s - h * s
            color = ((18, 84, 56), (24, 98, 62), (32, 114, 70))[k]
            c.fill(color, Polygon(((x - w * s, base), (x + w * s, base), (x, base - 0.17 * s)), 0.008))
    for x, y in ((0.36, 0.62), (0.64, 0.6)):
        c.fill((250, 240, 220), box(x - 0.011, y, x + 0.011, y + 0.035))
        c.fill((214, 50, 50), Both(Ellipse(x, y + 0.005, 0.035, 0.032), box(x - 0.1, y - 0.1, x + 0.1, y + 0.005)))


def desert(c: Canvas) -> None:
    """Orange dunes, a pyramid and cacti."""
    c.fill((222, 150, 74), Polygon(((0.54, 0.53), (0.76, 0.22), (1.0, 0.53))))
    c.fill((190, 118, 56), Polygon(((0.76, 0.22), (1.0, 0.53), (0.82, 0.53))))
    _hill(c, (240, 166, 82), 0.2, 0.43, (0.5, 0.2))
    _floor(c, (232, 140, 62), (242, 158, 80))
    c.fill((218, 124, 52), Ellipse(0.85, 0.68, 0.4, 0.035), Ellipse(0.15, 0.78, 0.35, 0.03))
    for x, y, s in ((0.12, 0.58, 1.0), (0.93, 0.6, 0.75)):
        stem = Line(((x, y), (x, y - 0.22 * s)), 0.032 * s)
        arms = (
            Line(((x, y - 0.08 * s), (x - 0.08 * s, y - 0.08 * s), (x - 0.08 * s, y - 0.16 * s)), 0.022 * s),
            Line(((x, y - 0.12 * s), (x + 0.075 * s, y - 0.12 * s), (x + 0.075 * s, y - 0.19 * s)), 0.022 * s),
        )
        c.fill((40, 128, 76), stem, *arms)


_HOUSES = ((0.0, 0.2, 0.26, (236, 112, 92)), (0.22, 0.42, 0.18, (250, 206, 96)), (0.44, 0.6, 0.3, (122, 170, 222)),
           (0.62, 0.8, 0.2, (238, 150, 184)), (0.82, 1.0, 0.27, (148, 204, 130)))  # fmt: skip


def town(c: Canvas) -> None:
    """A row of coloured houses along a paved street."""
    for x0, x1, y, color in _HOUSES:
        c.fill((150, 62, 56), Polygon(((x0 - 0.015, y + 0.02), (x1 + 0.015, y + 0.02), ((x0 + x1) / 2, y - 0.12))))
        c.fill(color, box(x0, y, x1, 0.56))
    _windows(c, (84, 100, 136))
    _floor(c, (150, 150, 160), (172, 172, 182), 0.54)
    c.fill((206, 206, 212), box(-0.1, 0.54, 1.1, 0.575))
    c.fill((232, 232, 236), *(box(x, 0.66, x + 0.11, 0.68) for x in (0.02, 0.24, 0.46, 0.68, 0.9)))


def _windows(c: Canvas, color: Color) -> None:
    for x0, x1, y, _ in _HOUSES:
        for x in (x0 + (x1 - x0) * 0.3, x0 + (x1 - x0) * 0.7):
            for dy in (0.05, 0.15):
                c.fill(color, box(x - 0.022, y + dy, x + 0.022, y + dy + 0.06))


def town_lights(c: Canvas) -> None:
    """Lit windows."""
    _windows(c, (255, 224, 110))


def castle(c: Canvas) -> None:
    """A lilac castle behind a courtyard."""
    stone, dark = (190, 170, 214), (152, 130, 186)
    c.fill(stone, box(0.16, 0.26, 0.84, 0.56))
    c.fill(stone, *(box(x, 0.22, x + 0.055, 0.27) for x in (0.28, 0.39, 0.5, 0.61, 0.7)))
    for x in (0.06, 0.8):
        c.fill(dark, box(x, 0.16, x + 0.15, 0.56))
        c.fill((210, 62, 112), Polygon(((x - 0.025, 0.16), (x + 0.175, 0.16), (x + 0.075, -0.02))))
    c.fill(dark, box(0.42, 0.12, 0.58, 0.3))
    c.fill((210, 62, 112), Polygon(((0.4, 0.12), (0.6, 0.12), (0.5, -0.03))))
    c.fill((92, 58, 62), Ellipse(0.5, 0.42, 0.075, 0.08), box(0.425, 0.42, 0.575, 0.56))
    _slits(c, (88, 72, 124))
    _floor(c, (176, 172, 150), (196, 192, 168), 0.55)
    for y, shift in ((0.62, 0.0), (0.72, 0.1), (0.85, 0.0)):
        c.fill(
            (160, 154, 134),
            box(-0.1, y, 1.1, y + 0.012),
            *(box(shift + x, y, shift + x + 0.012, y + 0.1) for x in (0.1, 0.32, 0.55, 0.78)),
        )


def _slits(c: Canvas, color: Color) -> None:
    for x, y in ((0.135, 0.26), (0.135, 0.4), (0.875, 0.26), (0.875, 0.4), (0.5, 0.2), (0.3, 0.38), (0.7, 0.38)):
        c.fill(color, box(x - 0.018, y, x + 0.018, y + 0.07, 0.012))


def castle_lights(c: Canvas) -> None:
    """Lit slits."""
    _slits(c, (255, 220, 110))


def farm(c: Canvas) -> None:
    """A red barn, a fence and striped fields."""
    _hill(c, (150, 206, 92), 0.25, 0.38, (0.6, 0.25))
    _hill(c, (126, 190, 80), 0.85, 0.42, (0.5, 0.2))
    _floor(c, (158, 212, 84), (178, 226, 100))
    for k, x in enumerate((-0.05, 0.12, 0.29)):
        c.fill(
            (232, 204, 84), Polygon(((0.02 + k * 0.1, 0.5), (0.06 + k * 0.1, 0.5), (x + 0.06, 0.7), (x - 0.03, 0.7)))
        )
    c.fill(
        (196, 46, 46),
        Polygon(((0.64, 0.54), (0.64, 0.3), (0.7, 0.2), (0.8, 0.15), (0.9, 0.2), (0.96, 0.3), (0.96, 0.54))),
    )
    c.fill((110, 36, 40), Line(((0.62, 0.31), (0.69, 0.195), (0.8, 0.14), (0.91, 0.195), (0.98, 0.31)), 0.018))
    c.fill((255, 246, 230), box(0.72, 0.36, 0.88, 0.54))
    c.fill((150, 40, 42), box(0.735, 0.375, 0.795, 0.54), box(0.805, 0.375, 0.865, 0.54))
    _loft(c, (255, 246, 230))
    c.fill(
        (250, 250, 244),
        box(-0.1, 0.555, 0.56, 0.572),
        box(-0.1, 0.6, 0.56, 0.617),
        *(box(x, 0.53, x + 0.022, 0.64) for x in (0.03, 0.18, 0.33, 0.48)),
    )


def _loft(c: Canvas, color: Color) -> None:
    c.fill(color, disc(0.8, 0.26, 0.035))


def farm_lights(c: Canvas) -> None:
    """The barn's loft."""
    _loft(c, (255, 220, 110))


def glacier(c: Canvas) -> None:
    """Ice, icebergs and an igloo."""
    c.fill((118, 176, 214), Polygon(((0.5, 0.52), (0.66, 0.22), (0.73, 0.32), (0.82, 0.16), (1.05, 0.52))))
    c.fill(
        (240, 250, 255),
        Polygon(((0.6, 0.33), (0.66, 0.22), (0.7, 0.29), (0.66, 0.33))),
        Polygon(((0.75, 0.27), (0.82, 0.16), (0.9, 0.28), (0.83, 0.25))),
    )
    c.fill((70, 150, 200), box(-0.1, 0.47, 1.1, 0.6))
    _floor(c, (206, 230, 244), (232, 244, 250), 0.54)
    c.fill((150, 200, 230), Ellipse(0.72, 0.66, 0.17, 0.028), Ellipse(0.1, 0.76, 0.12, 0.02))
    dome = Both(Ellipse(0.2, 0.58, 0.19, 0.24), box(0.0, 0.2, 0.42, 0.58))
    c.fill((120, 166, 200), dome, grow=0.01)
    c.fill((240, 248, 255), dome)
    c.fill(
        (150, 196, 224),
        box(0.02, 0.485, 0.38, 0.495),
        box(0.08, 0.41, 0.32, 0.42),
        box(0.2, 0.35, 0.21, 0.41),
        box(0.13, 0.42, 0.14, 0.485),
    )
    _door(c, (60, 84, 120))


def _door(c: Canvas, color: Color) -> None:
    c.fill(color, Both(Ellipse(0.25, 0.58, 0.06, 0.1), box(0.1, 0.4, 0.4, 0.58)))


def glacier_lights(c: Canvas) -> None:
    """The igloo's door."""
    _door(c, (255, 206, 96))


def volcano(c: Canvas) -> None:
    """A smoking volcano over dark rock."""
    c.fill((150, 140, 150), disc(0.52, 0.08, 0.06), disc(0.6, 0.04, 0.08), disc(0.7, 0.0, 0.09))
    c.fill((98, 62, 74), Polygon(((0.08, 0.54), (0.38, 0.15), (0.62, 0.15), (0.92, 0.54))))
    c.fill((76, 46, 60), Polygon(((0.62, 0.15), (0.92, 0.54), (0.62, 0.54), (0.55, 0.3))))
    _lava(c)
    _floor(c, (92, 66, 78), (112, 82, 92))
    c.fill(
        (70, 50, 62), Ellipse(0.14, 0.62, 0.1, 0.035), Ellipse(0.88, 0.66, 0.12, 0.035), Ellipse(0.6, 0.6, 0.06, 0.02)
    )
    _pools(c)


def _lava(c: Canvas) -> None:
    c.fill(
        (255, 104, 30),
        Polygon(
            (
                (0.38, 0.15),
                (0.62, 0.15),
                (0.6, 0.24),
                (0.56, 0.2),
                (0.53, 0.36),
                (0.49, 0.22),
                (0.45, 0.44),
                (0.42, 0.22),
            )
        ),
    )
    c.fill((255, 206, 60), Ellipse(0.5, 0.155, 0.11, 0.022))


def _pools(c: Canvas) -> None:
    c.fill((255, 104, 30), Ellipse(0.3, 0.7, 0.1, 0.02), Ellipse(0.95, 0.8, 0.1, 0.02))


def volcano_lights(c: Canvas) -> None:
    """Lava glows."""
    _lava(c)
    _pools(c)


def harbor(c: Canvas) -> None:
    """A wooden pier, the sea and a lighthouse."""
    c.fill((26, 120, 150), box(-0.1, 0.42, 1.1, 0.62))
    c.fill(
        (70, 160, 180),
        *(box(x, y, x + 0.13, y + 0.012) for x, y in ((0.1, 0.46), (0.44, 0.48), (0.3, 0.51), (0.62, 0.525))),
    )
    c.fill((100, 96, 104), Ellipse(0.85, 0.5, 0.17, 0.06))
    c.fill((250, 250, 250), Polygon(((0.79, 0.48), (0.81, 0.18), (0.89, 0.18), (0.91, 0.48))))
    c.fill(
        (214, 50, 54),
        Polygon(((0.803, 0.3), (0.808, 0.22), (0.892, 0.22), (0.897, 0.3))),
        Polygon(((0.792, 0.45), (0.798, 0.37), (0.902, 0.37), (0.908, 0.45))),
    )
    c.fill((60, 60, 80), box(0.815, 0.1, 0.885, 0.18), Polygon(((0.79, 0.11), (0.91, 0.11), (0.85, 0.04))))
    _lamp(c)
    c.fill((70, 50, 150), Polygon(((0.06, 0.43), (0.4, 0.43), (0.34, 0.51), (0.12, 0.51))))
    c.fill((250, 250, 250), box(0.16, 0.36, 0.3, 0.43))
    c.fill((236, 150, 60), box(0.2, 0.28, 0.25, 0.36))
    _floor(c, (172, 122, 78), (188, 138, 92), 0.55)
    c.fill((134, 90, 56), *(box(-0.1, y, 1.1, y + 0.012) for y in (0.55, 0.64, 0.76, 0.9)))


def _lamp(c: Canvas) -> None:
    c.fill((255, 226, 100), box(0.828, 0.115, 0.872, 0.175))


def harbor_lights(c: Canvas) -> None:
    """The lighthouse's beam."""
    c.fill((255, 240, 150), Polygon(((0.85, 0.145), (-0.1, 0.02), (-0.1, 0.24))), opacity=0.25)
    _lamp(c)


PLACES: dict[str, Place] = {
    "beach": Place(((88, 178, 240), (206, 238, 252)), beach, _nothing),
    "forest": Place(((126, 200, 220), (214, 240, 214)), forest, _nothing),
    "desert": Place(((250, 196, 120), (255, 236, 184)), desert, _nothing),
    "town": Place(((120, 186, 244), (224, 238, 252)), town, town_lights),
    "castle": Place(((132, 170, 246), (240, 220, 246)), castle, castle_lights),
    "farm": Place(((104, 190, 250), (226, 246, 255)), farm, farm_lights),
    "glacier": Place(((150, 204, 240), (232, 246, 255)), glacier, glacier_lights),
    "volcano": Place(((236, 140, 110), (255, 206, 150)), volcano, volcano_lights),
    "harbor": Place(((140, 200, 236), (250, 232, 206)), harbor, harbor_lights),
}
