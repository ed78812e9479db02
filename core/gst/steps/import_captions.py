"""Step `import-captions`: captions that were written elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from gst.artifacts import Captions
from gst.disk import sha256
from gst.errors import DataError
from gst.kinds import Step, StorySet

if TYPE_CHECKING:
    from gst.context import StepContext


class ImportCaptions(Step):
    """Takes captions from a file, for `train` to draw from, as `write` gives them; no picture is read.

    The file is one JSON object, from story ids to lists of captions (null where a frame has none), or from the names of
    single frames (clips, as the data set calls them; otherwise "ID#0", "ID#1", ...) to one caption each. A .jsonl file
    has a line {"id": ..., "captions": [...]} a story, as `write` keeps them.

    Args:
        file: the file. It counts by what is in it, not by its name.
        data: the stories that they belong to; what belongs to others is left out, and counted.
    """

    outputs: ClassVar[dict[str, type]] = {"captions": Captions}

    def __init__(self, *, file: Path, data: StorySet) -> None:
        self.file, self.data = file, data

    @classmethod
    def identity(cls, options: Mapping[str, Any]) -> Mapping[str, Any]:
        path = Path(options["file"])
        if not path.is_file():
            raise DataError(f"there is no file {path} to import captions from")
        return {**options, "file": sha256(path)}

    def run(self, context: StepContext) -> dict[str, Any]:
        """Read the file and match it with the stories. Raises `DataError` where it is wrong, or nothing matches."""
        captions, used, given = self._match()
        context.tracker.rewind(-1)
        frames = sum(1 for _ in captions.texts())
        context.tracker.log(0, {"stories": len(captions), "frames": frames, "unused": given - used})
        return {"captions": captions}

    def stand_in(self, context: StepContext) -> dict[str, Any]:
        """The captions themselves; that takes no longer."""
        return {"captions": self._match()[0]}

    def _match(self) -> tuple[Captions, int, int]:
        """The captions, how many entries of the file were used, and how many it has."""
        entries = _read(self.file)
        stories: dict[str, list[str | None]] = {}
        used = 0
        for index in range(len(self.data)):
            name, count = self.data.id(index), len(self.data.captions(index))
            if name in entries:
                stories[name] = self._whole(name, entries[name], count)
                used += 1
                continue
            found = [self._single(clip, entries.get(clip)) for clip in self.data.clips(index)]
            if any(caption is not None for caption in found):
                stories[name] = found
                used += sum(caption is not None for caption in found)
        if not stories:
            raise DataError(
                f"{self.file} has no caption for any story of split '{self.data.name}'",
                hint=f"It has {', '.join(map(repr, list(entries)[:3])) or 'nothing'}. A story is called "
                f"{self.data.id(0)!r} here, and a frame {self.data.clips(0)[0]!r}.",
            )
        return Captions(stories, {"file": self.file.name, "entries": len(entries), "used": used}), used, len(entries)

    def _whole(self, name: str, value: Any, count: int) -> list[str | None]:
        if not isinstance(value, list) or len(value) != count:
            raise DataError(f"{self.file}: story {name!r} needs a list of {count} captions")
        return [self._single(f"{name}#{t}", caption) for t, caption in enumerate(value)]

    def _single(self, clip: str, value: Any) -> str | None:
        if value is not None and (not isinstance(value, str) or not value.strip()):
            raise DataError(f"{self.file}: the caption of {clip!r} must be a text, not {value!r}")
        caption: str | None = value
        return caption


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix == ".jsonl":
            rows = [json.loads(line) for line in text.split("\n") if line.strip()]
            return {row["id"]: row["captions"] for row in rows}
        entries = json.loads(text)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"captions cannot be read from {path}: {type(error).__name__}: {error}") from error
    if not isinstance(entries, dict):
        raise DataError(f"{path} must hold one JSON object, from ids to captions, not a {type(entries).__name__}")
    return entries
