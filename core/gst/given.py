"""A user's pictures as frames and masks of a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from gst.drawn import UNREADABLE, stored_frames
from gst.errors import DataError
from gst.pictures import Frames

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


def read_frames(paths: Sequence[str | Path], size: tuple[int, int], told: Callable[[str], None]) -> Frames:
    """Pictures as frames, in the order given.

    Args:
        paths: each a picture (one frame), a story that gst drew (all its frames, as they were drawn), or a folder of
            pictures, which are taken in the order of their names.
        size: (H, W) of the model's frames. A picture of another size and the same shape is resized (Lanczos).
        told: gets a line for every picture that is resized.

    Returns:
        uint8 (k, 3, H, W).

    Raises:
        DataError: there is no such picture, it cannot be read, or it has another shape than the model's frames.
    """
    frames = [frame for path in _files(paths) for frame in _read(path, size, told)]
    return np.stack(frames) if frames else np.zeros((0, 3, *size), np.uint8)


def read_mask(path: str | Path, size: tuple[int, int], told: Callable[[str], None]) -> NDArray[np.bool_]:
    """A black and white picture as bool (H, W), True where it is white (half way or more).

    Args:
        path: the picture.
        size: (H, W) of the model's frames. In a larger mask of the same shape every white pixel counts.
        told: gets a line if it is resized.

    Raises:
        DataError: it cannot be read, or has another shape than the model's frames.
    """
    white = np.asarray(_open(Path(path)).convert("L")) >= 128
    return _mask_to(Path(path), white, size, told)


def _files(paths: Sequence[str | Path]) -> Iterator[Path]:
    for path in map(Path, paths):
        if not path.is_dir():
            yield path
            continue
        found = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())
        if not found:
            raise DataError(f"the folder {path} has no picture", hint=f"Pictures end in {', '.join(SUFFIXES)}.")
        yield from found


def _read(path: Path, size: tuple[int, int], told: Callable[[str], None]) -> list[Frames]:
    picture = _open(path)
    try:
        stored = stored_frames(picture)
    except UNREADABLE as error:
        raise DataError(f"the frames in {path} are damaged: {error}") from error
    if stored is None and picture.info.get("Software") == "gst":
        raise DataError(
            f"{path} is a story that gst drew, without the frames as they were drawn",
            hint="Another program has changed it; give the file as gst wrote it, or single frames.",
        )
    pictures = [picture] if stored is None else [Image.fromarray(f.transpose(1, 2, 0).copy(), "RGB") for f in stored]
    return [_to_size(path, each, size, told) for each in pictures]


def _open(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            image.load()
            return image
    except UNREADABLE as error:
        raise DataError(f"{path} cannot be read as a picture: {error}") from error


def _to_size(path: Path, picture: Image.Image, size: tuple[int, int], told: Callable[[str], None]) -> Frames:
    upright = ImageOps.exif_transpose(picture)
    if upright.has_transparency_data and np.asarray(upright.convert("RGBA"))[..., 3].min() < 255:
        raise DataError(f"{path} has transparent pixels", hint="Save it on a ground of some colour.")
    if upright.mode not in ("1", "L", "LA", "P", "RGB", "RGBA"):
        raise DataError(f"{path} has pixels of mode {upright.mode}", hint="Save it as an 8-bit RGB picture.")
    rgb = upright.convert("RGB")
    if rgb.size != size[::-1]:
        _say_resized(path, rgb.size, size, told)
        rgb = rgb.resize(size[::-1], Image.Resampling.LANCZOS)
    return np.asarray(rgb).transpose(2, 0, 1).copy()


def _mask_to(
    path: Path, white: NDArray[np.bool_], size: tuple[int, int], told: Callable[[str], None]
) -> NDArray[np.bool_]:
    if white.shape == size:
        return white
    _say_resized(path, white.shape[::-1], size, told)
    down, across = (_touching(here, there) for here, there in zip(size, white.shape, strict=True))
    touched: NDArray[np.bool_] = (down @ white.astype(np.float32) @ across.T) > 0
    return touched


def _touching(here: int, there: int) -> NDArray[np.float32]:
    """(here, there): 1 where cells of two divisions of one line, into so many equal parts, overlap."""
    i, j = np.arange(here)[:, None], np.arange(there)
    return ((i * there < (j + 1) * here) & (j * here < (i + 1) * there)).astype(np.float32)


def _say_resized(path: Path, have: tuple[int, ...], size: tuple[int, int], told: Callable[[str], None]) -> None:
    """Raises `DataError` for another shape."""
    (wide, tall), (height, width) = have, size
    if wide * height != tall * width:
        raise DataError(
            f"{path} has {wide}x{tall} pixels; this model's frames have {width}x{height}",
            hint=f"Crop it to the shape {width}:{height}; a picture of that shape is resized.",
        )
    told(f"{path}: resized from {wide}x{tall} to {width}x{height} pixels")
