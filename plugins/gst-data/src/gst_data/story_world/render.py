"""From a frame of a script to pixels, boxes and masks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from gst_data.story_world.characters import CAST
from gst_data.story_world.figures import FIGURES, Pose
from gst_data.story_world.plots import Frame
from gst_data.story_world.things import THINGS
from gst_data.story_world.vector import Canvas
from gst_data.story_world.weather import background, shadow

UNIT = 0.385  # the side of a body's drawing box, as a share of the frame
JUMP = 0.19  # how high a jump is, in body units
# Where feet stand, and how large the body is: left, middle, right, back.
SLOTS = ((0.195, 0.94, 1.0), (0.5, 0.94, 1.0), (0.805, 0.94, 1.0), (0.5, 0.545, 0.82))
_POSES = {
    "stand": Pose(),
    "wave": Pose(left_up=True),
    "jump": Pose(left_up=True, right="up"),
    "sing": Pose(mouth="open"),
    "sleep": Pose(asleep=True),
    "hold": Pose(right="hold"),
}

Words = npt.NDArray[np.uint16]


@dataclass(frozen=True)
class Layer:
    """A picture to lay over another: ``out = (below * keep + add) / 255``; left and top are relative to the feet."""

    left: int
    top: int
    keep: Words
    add: Words


@dataclass(frozen=True)
class Sprite:
    """One character doing one thing, at one size.

    Args:
        body: Body and shadow.
        thing: What is laid over all bodies (what it holds, a Z, a note), or None.
        left: First column of ``mask``, relative to the feet.
        top: First row of ``mask``, relative to the feet.
        mask: bool (h, w), the body without its shadow, cropped to its box.
    """

    body: Layer
    thing: Layer | None
    left: int
    top: int
    mask: npt.NDArray[np.bool_]


def _layer(canvas: Canvas, left: int, top: int) -> Layer:
    rows, columns = np.flatnonzero(canvas.alpha.any(1)), np.flatnonzero(canvas.alpha.any(0))
    crop = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    keep = 255 - np.floor(canvas.alpha[crop] * 255 + 0.5).astype(np.uint16)
    add = np.floor(canvas.rgb[crop] * 255 * 255 + 127.5).astype(np.uint16)  # 127 rounds the division by 255
    return Layer(left + int(columns[0]), top + int(rows[0]), keep[..., None], add)


@lru_cache(maxsize=4096)
def sprite(who: int, action: str, zoom: float, size: int) -> Sprite:
    """Draws one character; ``zoom`` is its size against the front row's, ``size`` the frame's side in pixels."""
    scale = UNIT * zoom * size
    kind, _, prop = action.partition(" ")
    left, top = math.ceil(0.85 * scale), math.ceil(1.7 * scale)
    width, height = 2 * left, top + math.ceil(0.15 * scale)
    lift = JUMP if kind == "jump" else 0.0
    origin = (0.5 - left / scale, 1.0 - top / scale)
    ground = Canvas(width, height, scale, origin)
    shadow(ground, 0.5, 0.985, 0.26 if lift else 0.38)
    body = Canvas(width, height, scale, (origin[0], origin[1] + lift))
    FIGURES[who](body, _POSES[kind])
    solid = body.alpha >= 0.5
    rows, columns = np.flatnonzero(solid.any(1)), np.flatnonzero(solid.any(0))
    ground.rgb = ground.rgb * (1 - body.alpha)[..., None] + body.rgb
    ground.alpha = ground.alpha * (1 - body.alpha) + body.alpha
    thing = None
    if (name := prop or kind) in THINGS:
        (x, y), paint = THINGS[name]
        over = Canvas(width, height, scale, (origin[0] - x, origin[1] - y))
        paint(over)
        thing = _layer(over, -left, -top)
    return Sprite(
        _layer(ground, -left, -top),
        thing,
        int(columns[0]) - left,
        int(rows[0]) - top,
        solid[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1],
    )


_background = lru_cache(maxsize=256)(background)


@dataclass(frozen=True)
class Picture:
    """A drawn frame.

    Args:
        pixels: uint8 (H, W, 3).
        mask: bool (H, W), the bodies.
        boxes: float32 (C, 4), x0 y0 x1 y1 of whole bodies in pixels, cut at the frame; NaN who is absent.
    """

    pixels: npt.NDArray[np.uint8]
    mask: npt.NDArray[np.bool_]
    boxes: npt.NDArray[np.float32]


def render(frame: Frame, shift: dict[int, int], size: int) -> Picture:
    """Draws one frame, the far characters first.

    Args:
        frame: What to draw.
        shift: Character -> sideways shift in 1/64 of the frame.
        size: Side in pixels.
    """
    pixels = _background(frame.place, frame.night, frame.weather, size).copy()
    mask = np.zeros((size, size), bool)
    boxes = np.full((len(CAST), 4), np.nan, np.float32)
    things: list[tuple[Layer, int, int]] = []
    for who, slot in sorted(frame.position.items(), key=lambda item: (item[1] != 3, item[1])):
        x, y, zoom = SLOTS[slot]
        px, py = round(x * size + shift[who] * size / 64), round(y * size)
        drawn = sprite(who, frame.action[who], zoom, size)
        _lay(pixels, drawn.body, px, py)
        if drawn.thing is not None:
            # What is held on the right side is moved in a little, so that the frame does not cut it.
            things.append((drawn.thing, px - round(0.05 * size) if slot == 2 else px, py))
        left, top = px + drawn.left, py + drawn.top
        h, w = drawn.mask.shape
        x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + w, size), min(top + h, size)
        boxes[who] = x0, y0, x1, y1
        mask[y0:y1, x0:x1] |= drawn.mask[y0 - top : y1 - top, x0 - left : x1 - left]
    for layer, px, py in things:
        _lay(pixels, layer, px, py)
    return Picture(pixels, mask, boxes)


def _lay(pixels: npt.NDArray[np.uint8], layer: Layer, px: int, py: int) -> None:
    """Lays a layer over the picture, in exact integers."""
    size = len(pixels)
    left, top = px + layer.left, py + layer.top
    h, w = layer.keep.shape[:2]
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + w, size), min(top + h, size)
    if x0 >= x1 or y0 >= y1:
        return
    inner = slice(y0 - top, y1 - top), slice(x0 - left, x1 - left)
    below = pixels[y0:y1, x0:x1]
    below[:] = (below * layer.keep[inner] + layer.add[inner]) // 255
