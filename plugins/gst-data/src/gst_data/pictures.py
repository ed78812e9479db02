"""Reading pictures that may be anything."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from gst.errors import DataError

Pixels = npt.NDArray[np.uint8]
# 64 million pixels are 192 MB of RGB: more than any story picture, less than what brings a machine down.
LARGEST = 64_000_000


def decode(data: bytes | Path, what: str) -> Image.Image:
    """Reads one picture as RGB, transparency on white; `DataError` that names ``what`` if it is none."""
    try:
        with Image.open(io.BytesIO(data) if isinstance(data, bytes) else data) as image:
            if image.width * image.height > LARGEST:
                raise DataError(f"{what} has {image.width} x {image.height} pixels, more than {LARGEST:,}")
            if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
                layer = image.convert("RGBA")
                return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
            return image.convert("RGB")
    except FileNotFoundError:
        raise DataError(f"{what} is missing") from None
    except UnidentifiedImageError:
        raise DataError(f"{what} is not a readable picture (no known format)") from None
    # What Pillow's decoders are known to raise on bad bytes.
    except (
        OSError,
        ValueError,
        SyntaxError,
        EOFError,
        struct.error,
        zlib.error,
        Image.DecompressionBombError,
    ) as error:
        raise DataError(f"{what} is not a readable picture ({error})") from None


def frame(image: Image.Image, size: int) -> Pixels:
    """One picture as (3, size, size); stretched to the square by LANCZOS where it has another size."""
    if image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.LANCZOS)
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))


def cut(strip: Image.Image, count: int, what: str) -> list[Image.Image]:
    """A strip of ``count`` frames of equal size, below or beside one another along its longer side."""
    width, height = strip.size
    down = height >= width
    side = height if down else width
    if side % count:
        raise DataError(f"{what} is {width} x {height} pixels, which {count} frames do not divide evenly")
    step = side // count
    return [
        strip.crop((0, k * step, width, (k + 1) * step) if down else (k * step, 0, (k + 1) * step, height))
        for k in range(count)
    ]
