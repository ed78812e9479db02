"""Frames as pictures for people: one frame, a strip with its captions, a sheet of many stories, PNG files."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from gst.errors import StoreError

Frames = NDArray[np.uint8]
PAPER, INK = (253, 252, 249), (38, 36, 33)


def to_image(frame: Frames) -> Image.Image:
    """uint8 (3, H, W) -> RGB picture."""
    return Image.fromarray(np.ascontiguousarray(np.asarray(frame).transpose(1, 2, 0)), "RGB")


def strip(frames: Frames, captions: Sequence[str] | None = None, *, width: int = 224, columns: int = 5) -> Image.Image:
    """One story: its frames from left to right, each with its caption wrapped under it.

    Args:
        frames: uint8 (T, 3, H, W).
        captions: T strings, or None for pictures alone.
        width: pixels a frame is at least wide; smaller frames are enlarged by a whole factor (bicubic).
        columns: frames a row; a longer story goes on in the next row.
    """
    count, _, height, frame_width = frames.shape
    factor = max(1, -(-width // frame_width))
    w, h = frame_width * factor, height * factor
    gap, font = max(8, w // 18), ImageFont.load_default(max(12, w // 15))
    columns = min(columns, count)
    texts = [_wrap(c, font, w) for c in captions] if captions is not None else [[] for _ in range(count)]
    line = int(font.size * 1.3) if isinstance(font, ImageFont.FreeTypeFont) else 14
    rows = [range(start, min(start + columns, count)) for start in range(0, count, columns)]
    tall = [h + (gap // 2 + line * max(len(texts[i]) for i in row) if captions is not None else 0) for row in rows]
    sheet = Image.new("RGB", (gap + columns * (w + gap), gap + sum(t + gap for t in tall)), PAPER)
    pen, y = ImageDraw.Draw(sheet), gap
    for row, t in zip(rows, tall, strict=True):
        for column, i in enumerate(row):
            x = gap + column * (w + gap)
            sheet.paste(to_image(frames[i]).resize((w, h), Image.Resampling.BICUBIC), (x, y))
            for k, text in enumerate(texts[i]):
                pen.text((x, y + h + gap // 2 + k * line), text, fill=INK, font=font)
        y += t + gap
    return sheet


def column(pictures: Sequence[Image.Image]) -> Image.Image:
    """Pictures under each other."""
    page = Image.new("RGB", (max(p.width for p in pictures), sum(p.height for p in pictures)), PAPER)
    y = 0
    for picture in pictures:
        page.paste(picture, (0, y))
        y += picture.height
    return page


def png_bytes(
    picture: Image.Image | Frames,
    about: Mapping[str, Any] | None = None,
    private: Mapping[bytes, bytes] | None = None,
) -> bytes:
    """A PNG. `about` is written into it as text, so that a picture tells how it was drawn; `private` as private chunks,
    by their names of four letters."""
    image = picture if isinstance(picture, Image.Image) else to_image(picture)
    info = PngImagePlugin.PngInfo()
    for key, value in (about or {}).items():
        info.add_itxt(key, str(value).encode("utf-8", "replace").decode("utf-8"))
    for name, data in (private or {}).items():
        info.add(name, data)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def write_png(
    path: Path,
    picture: Image.Image | Frames,
    about: Mapping[str, Any] | None = None,
    private: Mapping[bytes, bytes] | None = None,
) -> None:
    """Write a PNG as `png_bytes` makes it, whole or not at all. Raises `StoreError` where `path` cannot be written."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(png_bytes(picture, about, private))
        os.replace(partial, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise StoreError(f"cannot write {path}: {error.strerror or error}") from error


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def _wrap(text: str, font: Any, width: int) -> list[str]:
    """Lines of at most `width` pixels; a word that is longer is broken."""
    lines = [""]
    for word in _printable(" ".join(text.split())).split(" "):
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if font.getlength(joined) <= width:
            lines[-1] = joined
            continue
        if lines[-1]:
            lines.append("")
        for letter in word:
            if lines[-1] and font.getlength(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return lines
