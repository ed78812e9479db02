"""`gst sample`: draws a story from a user's own lines, goes on with one, draws a frame of one again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gst.cli.output import check_out, examples, json_option, result, result_json, say
from gst.cli.redraw import check_together, frames_of, read_box
from gst.cli.redraw import redraw as draw_again
from gst.errors import DataError, UsageError

if TYPE_CHECKING:
    from gst.pipeline import StoryPipeline

MOST_BYTES = 1_000_000


def draw(
    pipe: StoryPipeline,
    captions: Sequence[str],
    out: Path,
    *,
    given: Sequence[str | Path] = (),
    seed: int = 0,
    any_text: bool = False,
    told: Callable[[str], None] = say,
) -> dict[str, Any]:
    """Say whom the model recognises, line by line, then draw and write the picture.

    Args:
        pipe: what draws.
        captions: the story.
        out: a PNG file.
        given: pictures of its first frames, as `gst.given.read_frames` takes them.
        seed: of the noise.
        any_text: draw even if no line names a known character.
        told: gets each line of what is said.

    Raises:
        DataError: the captions cannot be drawn, or the pictures cannot be read or do not fit.
        StoreError: `out` cannot be written; found out before anything is drawn.
    """
    from gst.given import read_frames

    check_out(out)
    pipe.check(captions, any_text=any_text)
    recognised = pipe.recognise(captions)
    for number, seen in enumerate(recognised, 1):
        told(f"frame {number}: {seen}")
    first = read_frames(given, pipe.tokenizer.spec.frame_size, told)
    if len(first):
        told(_said_of_given(pipe, len(first)))
    story = pipe(captions, given=first, seed=seed, any_text=any_text)
    story.save(out)
    return {"out": str(out), "seed": seed, "given": len(first), "frames": frames_of(story)}


def _said_of_given(pipe: StoryPipeline, count: int) -> str:
    from gst.editing import SEES_NO_FRAMES

    are = "1 frame is given and stays as it is" if count == 1 else f"{count} frames are given and stay as they are"
    if pipe.sees_frames:
        return are
    return f"{are}; {SEES_NO_FRAMES}: they change nothing in the others"


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


@click.command(
    "sample",
    epilog=examples(
        "gst sample demo --example",
        "gst sample demo --example | gst sample demo --captions - --seed 3",
        "gst sample demo --captions story.txt --given first.png --out longer.png",
        'gst sample demo --story story.png --redraw 3 "Bobo sleeps at the beach." --out again.png',
        "gst sample demo --story story.png --redraw 3 --region 16,0,48,32 --seed 1 --out again.png",
    ),
)
@click.argument("run", metavar="RUN")
@click.argument("caption", metavar="[CAPTION]", required=False)
@click.option("--captions", metavar="FILE", help="Your story, one line a frame; - reads stdin.")
@click.option(
    "--given",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="A picture of the first frame, which stays as it is: the story goes on from there. Again for the next frame. "
    "A folder gives its pictures by name, a story that gst drew all its frames. They need captions, too.",
)
@click.option("--story", type=click.Path(path_type=Path), metavar="PNG", help="A story that gst drew, to be changed.")
@click.option("--redraw", type=click.IntRange(min=1), metavar="N", help="Draw frame N of --story again, from 1.")
@click.option(
    "--region",
    metavar="X0,Y0,X1,Y1",
    callback=read_box,
    help="Only this box of the frame, in pixels, grown to whole tokens; X1 and Y1 are the first outside.",
)
@click.option(
    "--mask", type=click.Path(path_type=Path), metavar="PNG", help="Only where this picture is white, grown likewise."
)
@click.option(
    "--out", type=click.Path(path_type=Path), default="story.png", show_default=True, help="The PNG to write."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Another seed, another drawing.")
@click.option("--any-text", is_flag=True, help="Draw even if no line names a known character.")
@click.option("--example", is_flag=True, help="Print a story that this model can draw, and stop.")
@json_option
@click.pass_context
def command(
    context: click.Context,
    *,
    run: str,
    caption: str | None,
    captions: str | None,
    given: Sequence[Path],
    story: Path | None,
    redraw: int | None,
    region: Sequence[int] | None,
    mask: Path | None,
    out: Path,
    seed: int,
    any_text: bool,
    example: bool,
    as_json: bool,
) -> None:
    """Draw a story from your own captions, go on with one, or draw a frame of one again.

    RUN is the folder of a run, a folder written by export, or the name of installed weights such as "demo". CAPTION is
    what the frame of --redraw is to show; without it the frame keeps its own.
    """
    lines: list[str] = []
    if not example:
        check_together(context.params)
        check_out(out)  # before the seconds that loading takes
        if story is not None and out.resolve() == story.resolve() and _left_out(context, "out"):
            raise UsageError(f"{out} is the story to be changed", hint="Name what is written: --out again.png")
        lines = [] if captions is None else read_captions(captions)
    from gst.loading import load

    pipe = load(run)
    if example:
        if not pipe.examples:
            raise DataError(f"{run} has no example story with it")
        shown = pipe.examples[seed % len(pipe.examples)]
        result_json(list(shown)) if as_json else result("\n".join(shown))
        return
    if story is not None and redraw is not None:
        drawn = draw_again(pipe, story, redraw, caption, out, region=region, mask=mask, seed=seed, any_text=any_text)
    else:
        drawn = draw(pipe, lines, out, given=given, seed=seed, any_text=any_text)
    result_json(drawn) if as_json else result(f"wrote {out}")


def _left_out(context: click.Context, option: str) -> bool:
    return context.get_parameter_source(option) is click.core.ParameterSource.DEFAULT
