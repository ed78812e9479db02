"""A drawn story: frames with their captions, as a PNG that shows them and from which they come back bit for bit."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gst.errors import DataError
from gst.pictures import Frames, png_bytes, strip, write_png
from gst.recognition import Recognised

FRAMES_CHUNK = b"gsTF"
"""The private chunk of a story's PNG that holds the frames as they were drawn, before the strip enlarges them: a PNG of
all frames under each other. By its name (the last letter is a capital) programs that change the picture must drop it,
so that what is read from it is what one sees."""

UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


@dataclass(frozen=True)
class DrawnStory:
    """Frames drawn for captions.

    Args:
        captions: T strings.
        frames: uint8 (T, 3, H, W).
        recognised: per caption, whom the model recognised; empty for a story that was read from a file.
        seed: the sampling seed; of frames that were drawn again later, `about` tells it.
        about: what drew it.
    """

    captions: tuple[str, ...]
    frames: Frames
    recognised: tuple[Recognised, ...]
    seed: int
    about: Mapping[str, Any] = field(default_factory=dict)

    def image(self) -> Image.Image:
        """The frames in a strip, each with its caption under it."""
        return strip(self.frames, self.captions)

    def save(self, path: str | Path) -> None:
        """Write `image()` as PNG, with captions and seed as text inside.

        The frames are inside as well, so that `DrawnStory.open` gives them back to the bit. Raises `StoreError` where
        it cannot be written.
        """
        about = {**self.about, "Software": "gst", "captions": "\n".join(self.captions), "seed": self.seed}
        under_each_other = np.asarray(self.frames).transpose(1, 0, 2, 3).reshape(3, -1, self.frames.shape[3])
        write_png(Path(path), self.image(), about, private={FRAMES_CHUNK: png_bytes(under_each_other)})

    @classmethod
    def open(cls, path: str | Path) -> DrawnStory:
        """Read what `save` wrote.

        Raises:
            DataError: it is no picture, was not written by gst, or was saved again by another program.
        """
        try:
            with Image.open(path) as image:
                frames, texts = stored_frames(image), {k: str(v) for k, v in getattr(image, "text", {}).items()}
        except UNREADABLE as error:
            raise DataError(f"{path} cannot be read as a picture: {error}") from error
        if frames is None or "captions" not in texts:
            raise DataError(
                f"{path} is no story that gst wrote: it does not hold the frames as they were drawn",
                hint="A program that changes the picture drops them; give the file as gst wrote it.",
            )
        captions, seed = tuple(texts.pop("captions").split("\n")), texts.pop("seed", "0")
        texts.pop("Software", None)
        if len(captions) != len(frames) or not seed.isdecimal():
            raise DataError(f"{path} is damaged: {len(frames)} frames, {len(captions)} captions, seed {seed!r}")
        return cls(captions, frames, (), int(seed), texts)


def stored_frames(image: Image.Image) -> Frames | None:
    """uint8 (T, 3, H, W) from a story's PNG, or None for a picture that holds none.

    Raises:
        ValueError: they are damaged.
    """
    chunks = [chunk[1] for chunk in getattr(image, "private_chunks", ()) if chunk[0] == FRAMES_CHUNK]
    if not chunks:
        return None
    with Image.open(io.BytesIO(chunks[0]), formats=("PNG",)) as sheet:
        pixels = np.asarray(sheet.convert("RGB"))
    count = len(getattr(image, "text", {}).get("captions", "").split("\n"))
    if len(pixels) % count:
        raise ValueError(f"{len(pixels)} rows of pixels are not {count} frames")
    return pixels.reshape(count, -1, *pixels.shape[1:]).transpose(0, 3, 1, 2).copy()
