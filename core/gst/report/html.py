"""HTML that escapes by construction: text is escaped unless it was built here."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np

from gst.pictures import Frames, png_bytes

_VOID = {"img", "meta", "br", "hr", "line", "rect", "circle", "path", "polyline", "polygon"}
# What the page may not carry even escaped: control characters are not allowed in HTML, lone surrogates not in UTF-8.
_FORBIDDEN = dict.fromkeys([*range(9), 11, 12, *range(14, 32), *range(127, 160)], "\ufffd")


class Html(str):
    """Markup that is safe to put in the page as it is."""

    __slots__ = ()


def tag(name: str, /, *children: str | Iterable[str] | None, **attributes: Any) -> Html:
    """One element.

    Args:
        name: the element's name.
        children: text, which is escaped, or `Html`, which is not; lists of them; None is nothing.
        attributes: `class_` is class, `data_x` is data-x; None and False leave the attribute out, True gives it bare.
    """
    parts = [f"<{name}"]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        key = key.rstrip("_").replace("_", "-")
        parts.append(f" {key}" if value is True else f' {key}="{_escape(str(value))}"')
    inside = join(*children)
    if name in _VOID and not inside:
        return Html("".join([*parts, "/>" if name not in {"img", "meta", "br", "hr"} else ">"]))
    return Html("".join([*parts, ">", inside, f"</{name}>"]))


def join(*children: str | Iterable[str] | None) -> Html:
    """Children one after the other, text escaped."""
    out: list[str] = []
    for child in children:
        if child is None:
            continue
        if isinstance(child, Html):
            out.append(child)
        elif isinstance(child, str):
            out.append(_escape(child))
        else:
            out.append(join(*child))
    return Html("".join(out))


def picture(frame: Frames, alt: str, **attributes: Any) -> Html:
    """A frame, uint8 (3, H, W), inside the page."""
    _, height, width = frame.shape
    return tag(
        "img",
        src=_address(frame.tobytes(), height, width),
        alt=alt,
        width=width,
        height=height,
        loading="lazy",
        decoding="async",
        **attributes,
    )


@lru_cache(maxsize=2048)
def _address(pixels: bytes, height: int, width: int) -> str:
    """A page is written again many times, mostly with the same pictures."""
    frame = np.frombuffer(pixels, np.uint8).reshape(3, height, width)
    return f"data:image/png;base64,{base64.b64encode(png_bytes(frame)).decode('ascii')}"


def _escape(text: str) -> str:
    clean = text.translate(_FORBIDDEN).encode("utf-8", "replace").decode("utf-8")
    return html.escape(clean, quote=True)
