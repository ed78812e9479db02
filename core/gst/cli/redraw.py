"""The part of `gst sample` that draws a frame of a story again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gst.cli.output import check_out, say
from gst.errors import DataError, UsageError

if TYPE_CHECKING:
    from gst.drawn import DrawnStory
    from gst.pipeline import StoryPipeline


def redraw(
    pipe: StoryPipeline,
    story: Path,
    number: int,
    caption: str | None,
    out: Path,
    *,
    region: Sequence[int] | None = None,
    mask: Path | None = None,
    seed: int = 0,
    any_text: bool = False,
    told: Callable[[str], None] = say,
) -> dict[str, Any]:
    """Draw one frame of a story again, or a region of it, and write the picture.

    Args:
        pipe: what draws.
        story: a PNG that gst wrote.
        number: which frame, from 1.
        caption: what it shows now; None leaves its caption as it was.
        out: a PNG file.
        region: x0, y0, x1, y1, what of the frame is drawn again; it grows to whole tokens.
        mask: a picture, white where the frame is drawn again.
        seed: of the noise.
        any_text: draw even if no line names a known character.
        told: gets each line of what is said.

    Raises:
        DataError: the story cannot be read, has no such frame, or the region is no part of it.
        StoreError: `out` cannot be written; found out before anything is drawn.
    """
    from gst.drawn import DrawnStory
    from gst.editing import SEES_NO_FRAMES
    from gst.given import read_mask

    check_out(out)
    before = DrawnStory.open(story)
    if number > len(before.frames):
        raise DataError(f"{story} has {len(before.frames)} frames; --redraw {number} asks for another")
    where = None if region is None else (region[0], region[1], region[2], region[3])
    again = where if mask is None else read_mask(mask, pipe.tokenizer.spec.frame_size, told)
    if not pipe.sees_frames:
        told(f"{SEES_NO_FRAMES}: the other frames change nothing in this one")
    after = pipe.redraw(before, number - 1, caption, region=again, seed=seed, any_text=any_text)
    told(f"frame {number}: {after.recognised[number - 1]}")
    after.save(out)
    return {"out": str(out), "seed": seed, "redrawn": after.about["redrawn"], "frames": frames_of(after)}


def frames_of(story: DrawnStory) -> list[dict[str, Any]]:
    return [
        {"caption": caption, "characters": seen.characters, "unknown": seen.unknown}
        for caption, seen in zip(story.captions, story.recognised, strict=True)
    ]


def read_box(context: click.Context, option: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    """--region as four whole numbers."""
    if value is None:
        return None
    try:
        box = tuple(int(part) for part in value.split(","))
    except ValueError:
        box = ()
    if len(box) != 4:
        raise click.BadParameter(f"{value!r} is not x0,y0,x1,y1: four whole numbers of pixels, such as 16,0,48,32")
    return box


def check_together(given: Mapping[str, Any]) -> None:
    """Raise `UsageError` for options that do not make one of three: a story, its continuation, a frame again."""
    run = given["run"]
    again = f'gst sample {run} --story story.png --redraw 3 "Bobo sleeps." --out again.png'
    if given["redraw"] is None:
        for name, option in (("--story", "story"), ("--region", "region"), ("--mask", "mask"), ("CAPTION", "caption")):
            if given[option] is not None:
                raise UsageError(f"{name} is for drawing a frame again, and --redraw is missing", hint=again)
        if given["captions"] is None:
            raise UsageError(
                "--captions is missing",
                hint=f"gst sample {run} --captions story.txt, or --example for a story to copy.",
            )
    elif given["story"] is None:
        raise UsageError("--redraw needs the story: --story PNG, as gst wrote it", hint=again)
    elif given["captions"] is not None or given["given"]:
        raise UsageError("--captions and --given draw a story; --redraw draws a frame of one again", hint=again)
    elif given["region"] is not None and given["mask"] is not None:
        raise UsageError("--region and --mask both say where to draw; give one of them")
