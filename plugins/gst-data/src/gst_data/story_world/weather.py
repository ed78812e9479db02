"""Sky, light and weather around a place."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gst_data.story_world.places import PLACES
from gst_data.story_world.vector import Canvas, Color, Ellipse, Floats, Line, Without, box, disc

WEATHERS = ("clear", "rain", "snow", "wind")
NIGHT_SKY: tuple[Color, Color] = ((18, 22, 66), (66, 66, 128))
NIGHT_LIGHT = np.array((0.54, 0.57, 0.8))
# How far the day sky is drawn towards this grey, and the light on the land.
_GREY: dict[str, tuple[float, tuple[float, float, float]]] = {
    "clear": (0.0, (1.0, 1.0, 1.0)),
    "rain": (0.75, (0.74, 0.78, 0.86)),
    "snow": (0.6, (0.93, 0.95, 1.0)),
    "wind": (0.15, (0.98, 1.0, 0.98)),
}


def background(place: str, night: bool, weather: str, size: int) -> npt.NDArray[np.uint8]:
    """One place under one sky: (size, size, 3)."""
    scenery = PLACES[place]
    grey, light = _GREY[weather]
    top, bottom = (np.array(c, float) for c in (NIGHT_SKY if night else scenery.sky))
    cloudy = np.array((62, 66, 92) if night else (150, 160, 176), float)
    if weather == "snow" and not night:
        cloudy = np.array((200, 210, 226), float)
    top, bottom = top + (cloudy - top) * grey, bottom + (cloudy - bottom) * grey * 0.8
    rows = np.clip((np.arange(size) + 0.5) / size / 0.5, 0, 1)[:, None]
    sky = np.repeat(((top + (bottom - top) * rows) / 255)[:, None, :], size, axis=1)

    heaven = Canvas(size, size, float(size))
    _heaven(heaven, night, weather)
    picture = _onto(sky, heaven)
    land = Canvas(size, size, float(size))
    scenery.land(land)
    land.rgb *= np.array(light) * (NIGHT_LIGHT if night else 1.0)
    picture = _onto(picture, land)
    front = Canvas(size, size, float(size))
    if night:
        scenery.lights(front)
    _falling(front, weather)
    return np.floor(np.clip(_onto(picture, front), 0, 1) * 255 + 0.5).astype(np.uint8)


def _onto(below: Floats, canvas: Canvas) -> Floats:
    return below * (1 - canvas.alpha)[..., None] + canvas.rgb


def _cloud(c: Canvas, color: Color, x: float, y: float, s: float) -> None:
    c.fill(color, disc(x - 0.07 * s, y, 0.05 * s), disc(x, y - 0.025 * s, 0.07 * s), disc(x + 0.08 * s, y, 0.05 * s))
    c.fill(color, box(x - 0.1 * s, y, x + 0.11 * s, y + 0.05 * s, 0.025 * s))


def _heaven(c: Canvas, night: bool, weather: str) -> None:
    """Sun or moon, stars, clouds."""
    if weather in ("clear", "wind"):
        if night:
            for x, y in (
                (0.3, 0.06),
                (0.42, 0.2),
                (0.56, 0.07),
                (0.68, 0.15),
                (0.88, 0.06),
                (0.95, 0.22),
                (0.06, 0.25),
                (0.24, 0.22),
            ):
                c.fill((255, 250, 214), disc(x, y, 0.011))
            c.fill((255, 246, 196), Without(disc(0.15, 0.13, 0.09), disc(0.19, 0.11, 0.075)))
        else:
            c.fill((255, 244, 170), disc(0.15, 0.13, 0.12), opacity=0.5)
            c.fill((255, 226, 70), disc(0.15, 0.13, 0.085))
            _cloud(c, (255, 255, 255), 0.42, 0.13, 0.9)
            _cloud(c, (255, 255, 255), 0.88, 0.1, 0.8)
    else:
        dark: Color = (52, 54, 78) if night else (112, 120, 138) if weather == "rain" else (222, 228, 238)
        for x, y, s in ((0.1, 0.06, 1.5), (0.38, 0.1, 1.5), (0.66, 0.05, 1.6), (0.93, 0.1, 1.5)):
            _cloud(c, dark, x, y, s)


_DROPS = tuple(((i * 0.381) % 1.0, (i * 0.127 + (i % 5) * 0.19) % 1.0) for i in range(34))
_FLAKES = tuple(((i * 0.618) % 1.0, (i * 0.271 + (i % 3) * 0.31) % 1.0) for i in range(34))


def _falling(c: Canvas, weather: str) -> None:
    """Rain, snow, or what the wind carries; behind the characters, so that it hides none."""
    if weather == "rain":
        c.fill((196, 220, 250), *(Line(((x, y), (x - 0.02, y + 0.07)), 0.007) for x, y in _DROPS), opacity=0.85)
    elif weather == "snow":
        c.fill((255, 255, 255), box(-0.1, 0.56, 1.1, 1.1), opacity=0.35)
        for i, (x, y) in enumerate(_FLAKES):
            c.fill((255, 255, 255), disc(x, y, 0.012 + 0.006 * (i % 3)))
    elif weather == "wind":
        for x, y, s in ((0.28, 0.3, 1.0), (0.62, 0.22, 1.2), (0.5, 0.44, 0.9), (0.85, 0.38, 0.8)):
            tail = (
                (x - 0.24 * s, y),
                (x, y),
                (x + 0.05 * s, y - 0.03 * s),
                (x + 0.03 * s, y - 0.07 * s),
                (x - 0.01 * s, y - 0.05 * s),
            )
            c.fill((255, 255, 255), Line(tail, 0.0095), opacity=0.9)
        for x, y, turn in (
            (0.36, 0.2, 30),
            (0.75, 0.33, -20),
            (0.12, 0.36, 60),
            (0.92, 0.26, 10),
            (0.45, 0.36, -50),
            (0.2, 0.64, 20),
            (0.8, 0.7, 40),
        ):
            c.fill((226, 112, 30), Ellipse(x, y, 0.028, 0.013, turn))


def shadow(c: Canvas, x: float, y: float, rx: float) -> None:
    """A soft spot on the ground."""
    c.fill((20, 16, 40), Ellipse(x, y, rx, rx * 0.22), opacity=0.28)
