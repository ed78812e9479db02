"""`gst data`: looks at data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gst import plugins
from gst.cli.output import check_out, examples, json_option, result, result_json, warn
from gst.errors import DataError, PluginError, UsageError
from gst.registry import Entry, suggest


def detect(root: Path) -> Entry:
    """The registered data set whose files lie under `root`. Raises `DataError` where there is none, or several."""
    if not root.is_dir():
        raise DataError(f"there is no folder {root}")
    known = plugins.registry().entries("dataset")
    found = [entry for entry in known if _detects(entry, root)]
    if len(found) == 1:
        return found[0]
    if found:
        raise DataError(f"{root} could be any of {', '.join(e.name for e in found)}")
    formats = "\n  ".join(f"{entry.name}: {entry.summary}" for entry in known)
    raise DataError(f"{root} holds no data set that is known here", hint=f"Known data sets:\n  {formats}")


def check(root: Path) -> dict[str, Any]:
    """What the data set under `root` is, and everything worth knowing about its files."""
    from gst.kinds import Dataset

    entry = detect(root)
    cls = entry.load()
    assert issubclass(cls, Dataset)  # `load` has checked the kind
    findings = [{"level": f.level, "message": f.message} for f in cls.check(root)]
    return {"dataset": entry.name, "root": str(root), "findings": findings}


def view(what: str, out: Path, *, split: str | None = None, stories: int = 8) -> dict[str, Any]:
    """Write the first stories of a data set as one picture, their captions under the frames.

    Args:
        what: a registered data set, or a folder that holds one.
        out: a PNG file.
        split: which split; the first by default.
        stories: how many.
    """
    from gst.kinds import Dataset
    from gst.pictures import column, strip, write_png

    registry = plugins.registry()
    names = [entry.name for entry in registry.entries("dataset")]
    if what in names:
        data = registry.create("dataset", what, {})
    elif Path(what).is_dir():
        data = registry.create("dataset", detect(Path(what)).name, {"root": what})
    else:
        raise UsageError(
            f"'{what}' is neither a folder nor a data set.{suggest(what, names)}", hint=f"Data sets: {', '.join(names)}"
        )
    assert isinstance(data, Dataset)  # `load` has checked the kind
    part = data.split(split or data.splits[0])
    shown = [part[i] for i in range(min(stories, len(part)))]
    if not shown:
        raise DataError(f"split '{part.name}' of {what} is empty")
    write_png(out, column([strip(s.frames, s.captions, width=160, columns=len(s)) for s in shown]))
    return {"out": str(out), "dataset": data.use, "split": part.name, "stories": [story.id for story in shown]}


def _detects(entry: Entry, root: Path) -> bool:
    from gst.kinds import Dataset

    try:
        cls = entry.load()
    except PluginError as error:
        warn(error.message)
        return False
    return issubclass(cls, Dataset) and cls.detect(root)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


@click.group("data", epilog=examples("gst data view story-world --out sheet.png"))
def command() -> None:
    """Check and view data sets."""


@command.command("check", epilog=examples("gst data check my-stories", "gst data check my-stories --json"))
@click.argument("root", metavar="DIR", type=click.Path(path_type=Path))
@json_option
def check_command(root: Path, as_json: bool) -> int:
    """Find every mistake in the files of a data set. Exit code 1 if there is one that makes it unusable."""
    found = check(root)
    levels = [finding["level"] for finding in found["findings"]]
    if as_json:
        result_json(found)
    else:
        result(f"{root}: {found['dataset']}")
        for finding in found["findings"]:
            result(f"  {finding['level']}: {finding['message']}")
        result(", ".join(_count(levels.count(level), level) for level in ("error", "warning")))
    return 1 if "error" in levels else 0


@command.command("view", epilog=examples("gst data view story-world --split test --stories 3 --out sheet.png"))
@click.argument("what", metavar="DATASET|DIR")
@click.option(
    "--out", type=click.Path(path_type=Path), default="sheet.png", show_default=True, help="The PNG to write."
)
@click.option("--split", help="Which split; the first by default.")
@click.option("--stories", type=click.IntRange(1, 200), default=8, show_default=True, help="How many stories.")
@json_option
def view_command(what: str, out: Path, split: str | None, stories: int, as_json: bool) -> None:
    """Draw the first stories of a data set on one sheet."""
    check_out(out)
    shown = view(what, out, split=split, stories=stories)
    result_json(shown) if as_json else result(f"wrote {out}: {len(shown['stories'])} stories of {shown['split']}")
