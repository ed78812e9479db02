"""`gst sample`: draws a story from a user's own lines."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gst.cli.output import examples, json_option, result, result_json, say
from gst.errors import DataError, StoreError, UsageError

if TYPE_CHECKING:
    from gst.pipeline import StoryPipeline

MOST_BYTES = 1_000_000


def draw(
    pipe: StoryPipeline,
    captions: Sequence[str],
    out: Path,
    *,
    seed: int = 0,
    any_text: bool = False,
    told: Callable[[str], None] = say,
) -> dict[str, Any]:
    """Say whom the model recognises, line by line, then draw and write the picture.

    Args:
        pipe: what draws.
        captions: the story.
        out: a PNG file.
        seed: of the noise.
        any_text: draw even if no line names a known character.
        told: gets each line of what is said.

    Raises:
        DataError: the captions cannot be drawn.
        StoreError: `out` cannot be written; found out before anything is drawn.
    """
    check_out(out)
    pipe.check(captions, any_text=any_text)
    recognised = pipe.recognise(captions)
    for number, seen in enumerate(recognised, 1):
        told(f"frame {number}: {seen}")
    story = pipe(captions, seed=seed, any_text=any_text)
    story.save(out)
    frames = [
        {"caption": caption, "characters": seen.characters, "unknown": seen.unknown}
        for caption, seen in zip(captions, recognised, strict=True)
    ]
    return {"out": str(out), "seed": seed, "frames": frames}


def read_captions(source: str) -> list[str]:
    """The lines of a file, or of stdin for "-"; empty lines are left out.

    Raises:
        DataError: the file is missing, empty, no text, or far too large for a story.
    """
    name = "stdin" if source == "-" else source
    try:
        if source == "-":
            if sys.stdin.isatty():
                say("Write one line a frame; end with Ctrl-D.")
            data = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            with Path(source).open("rb") as file:
                data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise DataError(
            f"cannot read the captions from {name}: {error.strerror or error}",
            hint="Give a text file with one line a frame, or - for stdin.",
        ) from error
    if len(data) > MOST_BYTES:
        raise DataError(f"{name} is larger than {MOST_BYTES:,} bytes: that is no story of a few lines")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name} is not UTF-8 text: {error.reason} at byte {error.start}", hint="Save it as plain text (UTF-8)."
        ) from error
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise DataError(f"{name} has no caption", hint="Write one line a frame.")
    return lines


def check_out(out: Path) -> None:
    """Raise where a PNG cannot be written to `out`."""
    if out.is_dir():
        raise UsageError(f"--out {out} is a folder", hint=f"Name a file in it: {out / 'story.png'}")
    if out.suffix.lower() != ".png":
        raise UsageError(f"--out {out} must end in .png; stories are written as PNG")
    if not out.parent.is_dir():
        raise StoreError(f"--out {out}: there is no folder {out.parent}", hint=f"mkdir -p {out.parent}")
    if not os.access(out.parent, os.W_OK):
        raise StoreError(f"--out {out}: the folder {out.parent} cannot be written")


@click.command(
    "sample",
    epilog=examples("gst sample demo --example", "gst sample demo --example | gst sample demo --captions - --seed 3"),
)
@click.argument("run", metavar="RUN")
@click.option("--captions", metavar="FILE", help="Your story, one line a frame; - reads stdin.")
@click.option(
    "--out", type=click.Path(path_type=Path), default="story.png", show_default=True, help="The PNG to write."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Another seed, another drawing.")
@click.option("--any-text", is_flag=True, help="Draw even if no line names a known character.")
@click.option("--example", is_flag=True, help="Print a story that this model can draw, and stop.")
@json_option
def command(
    *, run: str, captions: str | None, out: Path, seed: int, any_text: bool, example: bool, as_json: bool
) -> None:
    """Draw a story from your own captions.

    RUN is the folder of a run, a folder written by export, or the name of installed weights such as "demo".
    """
    if not example:
        if captions is None:
            raise UsageError(
                "--captions is missing",
                hint=f"gst sample {run} --captions story.txt, or --example for a story to copy.",
            )
        check_out(out)  # before the seconds that loading takes
        lines = read_captions(captions)
    from gst.loading import load

    pipe = load(run)
    if example:
        if not pipe.examples:
            raise DataError(f"{run} has no example story with it")
        story = pipe.examples[seed % len(pipe.examples)]
        result_json(list(story)) if as_json else result("\n".join(story))
        return
    drawn = draw(pipe, lines, out, seed=seed, any_text=any_text)
    result_json(drawn) if as_json else result(f"wrote {out}")
