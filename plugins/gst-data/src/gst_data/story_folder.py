"""Stories of one's own: a folder with stories.jsonl and pictures. The format is described in README.md."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from gst.cast import Cast, Character
from gst.errors import DataError
from gst.kinds import Dataset, Finding, StorySet
from gst.story import Story
from gst_data.findings import Findings
from gst_data.pictures import cut, decode, frame
from gst_data.rows import json_lines

KEYS = frozenset(("id", "split", "captions", "images", "strip", "characters"))
ORDER = ("train", "val", "test")


@dataclass(frozen=True)
class Row:
    """One line of stories.jsonl.

    Args:
        id: The story's id.
        split: Its split.
        captions: T captions.
        images: T paths, or one of a strip, relative to the folder.
        strip: Whether ``images`` is one strip.
        characters: For each frame, the places in the cast of who is visible; None if the row does not say.
    """

    id: str
    split: str
    captions: tuple[str, ...]
    images: tuple[str, ...]
    strip: bool
    characters: tuple[tuple[int, ...], ...] | None

    def pictures(self, root: Path) -> list[Image.Image]:
        """Its T pictures, as they are on disk."""
        images = [decode(root / path, f"{path} of story {self.id!r}") for path in self.images]
        return cut(images[0], len(self.captions), f"{self.images[0]} of story {self.id!r}") if self.strip else images


class StoryFolder(Dataset):
    """Stories from a folder: ``stories.jsonl``, pictures, and, if there are main characters, ``cast.json``.

    Args:
        root: The folder.
        size: Side of the square frames in pixels; pictures of another size are stretched to it (LANCZOS).
    """

    extras: dict[str, str] = {}  # noqa: RUF012

    def __init__(self, *, root: str, size: int = 64) -> None:
        self.root = Path(root).expanduser()
        if size < 1:
            raise DataError(f"story-folder: size {size}; a side has 1 pixel or more")
        self.frame_size = (size, size)
        findings = Findings()
        self.cast, self._rows = read(self.root, findings)
        findings.stop("story-folder", self.root)
        found = dict.fromkeys(row.split for row in self._rows)
        self.splits = tuple([s for s in ORDER if s in found] + [s for s in found if s not in ORDER])
        self.frames_per_story = max(len(row.captions) for row in self._rows)

    def split(self, name: str) -> StoryFolderSplit:
        """One split; `DataError` for an unknown name."""
        if name not in self.splits:
            raise DataError(f"{self.root} has no split {name!r}", hint=f"Its splits are {', '.join(self.splits)}.")
        return StoryFolderSplit(self, name, [row for row in self._rows if row.split == name])

    def fingerprint(self) -> str:
        """sha256 over size, cast, rows and the bytes of every picture."""
        return hashlib.sha256("".join(self.split(s).fingerprint() for s in self.splits).encode()).hexdigest()

    @classmethod
    def detect(cls, root: Path) -> bool:
        """Whether there is a stories.jsonl."""
        return (root / "stories.jsonl").is_file()

    @classmethod
    def check(cls, root: Path) -> list[Finding]:
        """Reads every line and every picture."""
        findings = Findings()
        cast, rows = read(root, findings)
        sizes: Counter[tuple[int, int]] = Counter()
        for row in rows:
            try:
                sizes.update(image.size for image in row.pictures(root))
            except DataError as error:
                findings.error(error.message)
        _describe(cast, rows, sizes, findings)
        return findings.list()


class StoryFolderSplit(StorySet):
    """One split of a story folder."""

    def __init__(self, dataset: StoryFolder, name: str, rows: list[Row]) -> None:
        self.dataset: StoryFolder = dataset
        self.name = name
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def ids(self) -> tuple[str, ...]:
        """The stories' ids, in order."""
        return tuple(row.id for row in self._rows)

    def captions(self, index: int) -> tuple[str, ...]:
        """The captions of one story; no picture is read."""
        return self._rows[index].captions

    def id(self, index: int) -> str:
        """The id of one story; no picture is read."""
        return self._rows[index].id

    def clips(self, index: int) -> tuple[str, ...]:
        """The paths of its pictures, where each frame has one."""
        row = self._rows[index]
        return super().clips(index) if row.strip else row.images

    def story(self, index: int) -> Story:
        """Reads the pictures of one story."""
        row = self._rows[index]
        frames = np.stack([frame(image, self.dataset.frame_size[0]) for image in row.pictures(self.dataset.root)])
        characters = None
        if row.characters is not None:
            characters = np.zeros((len(row.captions), len(self.dataset.cast)), bool)
            for t, visible in enumerate(row.characters):
                characters[t, list(visible)] = True
        return Story(row.id, row.captions, frames, characters)

    def fingerprint(self) -> str:
        """sha256 over size, cast, this split's rows and the bytes of its pictures."""
        digest = hashlib.sha256(f"{self.dataset.frame_size}{self.dataset.cast.characters}".encode())
        for row in self._rows:
            digest.update(repr(row).encode())
            for path in row.images:
                try:
                    digest.update(hashlib.sha256((self.dataset.root / path).read_bytes()).digest())
                except OSError as error:
                    raise DataError(f"{path} of story {row.id!r} cannot be read ({error.strerror})") from None
        return digest.hexdigest()


def read(root: Path, findings: Findings) -> tuple[Cast, list[Row]]:
    """Cast and rows of a folder. Whatever is wrong goes to the findings; rows with errors are left out."""
    if not root.is_dir():
        findings.error(f"there is no folder {root}")
        return Cast(()), []
    cast = _cast(root / "cast.json", findings)
    rows: list[Row] = []
    seen: dict[str, str] = {}
    for where, item in json_lines(root / "stories.jsonl", findings):
        row = _row(item, where, root, cast, findings)
        if row is None:
            continue
        if row.id in seen:
            findings.error(f"{where}: id {row.id!r} is taken by {seen[row.id]}")
            continue
        seen[row.id] = where
        rows.append(row)
    if not rows and not findings.failed:
        findings.error("stories.jsonl holds no story")
    return cast, rows


def _row(item: dict[str, Any], where: str, root: Path, cast: Cast, findings: Findings) -> Row | None:
    """One checked row, or None with the reasons in the findings."""
    wrong: list[str] = []
    if unknown := sorted(set(item) - KEYS):
        wrong.append(f"unknown keys {', '.join(unknown)}; known are {', '.join(sorted(KEYS))}")
    name, split, captions = item.get("id"), item.get("split", "train"), item.get("captions")
    if not isinstance(name, str) or not name:
        wrong.append('"id" must be a text')
    if not isinstance(split, str) or not split.isidentifier():
        wrong.append('"split" must be a word such as train, val or test')
    if not _texts(captions) or not captions:
        wrong.append('"captions" must be a list of texts, one a frame')
        captions = []
    elif any(not c.strip() for c in captions):
        wrong.append("a caption is empty")
    if ("images" in item) == ("strip" in item):
        wrong.append('give either "images", one path a frame, or "strip"')
    images = [item["strip"]] if "strip" in item else item.get("images", [])
    if not _texts(images):
        wrong.append('"images" must be a list of paths, "strip" a path')
    else:
        if "images" in item and captions and len(images) != len(captions):
            wrong.append(f"{len(captions)} captions and {len(images)} images")
        wrong += [problem for path in images if (problem := _path_problem(root, path))]
    characters = _characters(item.get("characters"), len(captions), cast, wrong)
    for message in wrong:
        findings.error(f"{where}: {message}")
    if wrong:
        return None
    return Row(str(name), str(split), tuple(captions), tuple(images), "strip" in item, characters)


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(v, str) for v in value)


def _path_problem(root: Path, path: str) -> str:
    """Why a path is refused, or ""."""
    pure = PurePosixPath(path)
    if not path or "\0" in path or "\\" in path or pure.is_absolute() or ".." in pure.parts:
        return f"path {path!r}: paths are relative, with /, and stay inside the folder"
    if not (root / path).is_file():
        return f"{path} is missing"
    if not (root / path).resolve().is_relative_to(root.resolve()):
        return f"{path} is a link that leaves the folder"
    return ""


def _characters(value: object, frames: int, cast: Cast, wrong: list[str]) -> tuple[tuple[int, ...], ...] | None:
    """Places in the cast, for each frame."""
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != frames or not all(_texts(v) for v in value):
        wrong.append('"characters" must have a list of names for each frame')
        return None
    if unknown := sorted({n for names in value for n in names} - set(cast.names)):
        wrong.append(f"{', '.join(unknown)} not in cast.json, which has {', '.join(cast.names) or 'nobody'}")
        return None
    return tuple(tuple(cast.names.index(n) for n in names) for names in value)


def _cast(path: Path, findings: Findings) -> Cast:
    """The cast of cast.json; empty if there is none."""
    if not path.exists():
        return Cast(())
    try:
        items = json.loads(path.read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        findings.error(f"cast.json cannot be read ({error})")
        return Cast(())
    if not isinstance(items, list):
        findings.error("cast.json must be a list of characters")
        return Cast(())
    characters: list[Character] = []
    for number, item in enumerate(items, 1):
        known = isinstance(item, dict) and set(item) <= {"name", "aliases", "pronouns", "description"}
        if not known or not isinstance(item.get("name"), str) or not item["name"].strip():
            findings.error(f"cast.json: character {number} needs a name; aliases, pronouns, description are optional")
        elif not _texts(item.get("aliases", [])) or not _texts(item.get("pronouns", [])):
            findings.error(f"cast.json: aliases and pronouns of {item['name']} must be lists of texts")
        elif not all(w.strip() for w in [*item.get("aliases", []), *item.get("pronouns", [])]):
            findings.error(f"cast.json: an alias or a pronoun of {item['name']} is empty")
        elif item["name"] in [c.name for c in characters]:
            findings.error(f"cast.json: there are two characters named {item['name']}")
        else:
            words = (tuple(item.get("aliases", ())), tuple(p.lower() for p in item.get("pronouns", ())))
            characters.append(Character(item["name"], *words, str(item.get("description", ""))))
    return Cast(characters)


def _describe(cast: Cast, rows: list[Row], sizes: Counter[tuple[int, int]], findings: Findings) -> None:
    """Counts, and what is odd."""
    for split, count in Counter(row.split for row in rows).items():
        findings.info(f"split {split}: {count} stories")
    if sizes:
        (width, height), _ = sizes.most_common(1)[0]
        findings.info(f"{sizes.total()} frames, most of them {width} x {height}")
    if any(abs(w - h) > 0.02 * max(w, h) for w, h in sizes):
        findings.warning("some frames are not square; they are stretched to a square")
    if rows and not any(row.split == "train" for row in rows):
        findings.warning("no story is in split train; steps that train need one")
    if not len(cast):
        findings.warning("no cast.json: there are no main characters, so character metrics and guidance have no use")
        return
    labelled = [row for row in rows if row.characters is not None]
    if 0 < len(labelled) < len(rows):
        findings.warning(f"{len(rows) - len(labelled)} of {len(rows)} stories have no characters")
    counts = Counter(who for row in labelled for visible in row.characters or () for who in visible)
    for index, name in enumerate(cast.names):
        findings.info(f"{name}: visible in {counts[index]} frames")
