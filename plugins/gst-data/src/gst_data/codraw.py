"""codraw_sv: five-frame stories from CoDraw's dialogs, in people's own words."""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
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

FRAMES = 5
STORED = 64
SPLITS = ("train", "val", "test")
INDEX = "stories.jsonl.gz"
HE, SHE, IT = ("he", "him", "his"), ("she", "her", "hers"), ("it", "its")
CAST = Cast(
    (
        Character("mike", ("boy", "guy", "kids", "children"), HE, "the boy"),
        Character("jenny", ("girl", "lady", "kids", "children"), SHE, "the girl"),
        Character("bear", (), IT, "the bear"),
        Character("cat", (), IT, "the cat"),
        Character("dog", (), IT, "the dog"),
        Character("duck", (), IT, "the duck"),
        Character("owl", (), IT, "the owl"),
        Character("snake", (), IT, "the snake"),
    ),
    # A piece of food: 447 of the 2,462 times the captions say "dog".
    ignore=("hot dog",),
)


@dataclass(frozen=True)
class Row:
    """One story: its id, split, captions (T) and who is visible (T, 8)."""

    id: str
    split: str
    captions: tuple[str, ...]
    characters: tuple[tuple[bool, ...], ...]


class CoDraw(Dataset):
    """Five-frame stories made from CoDraw's dialogs: the teller's words, and the drawer's canvas after each.

    ``Story.characters`` is who is visible, taken from the drawing; the captions tell far less. Captions are drawing
    instructions as people typed them, and pictures accumulate. The data is not part of gst; the folder's own README.md
    says where it comes from. Kim et al., ACL 2019 (arXiv 1712.05558); clip art by Zitnick and Parikh, CVPR 2013.

    Args:
        root: The folder ``codraw_sv``, or one that holds it; without it, the environment variable GST_DATA.
        size: Side of the frames in pixels. Pictures are stored at 64; any other size is resized from that (LANCZOS).
    """

    cast = CAST
    frames_per_story = FRAMES
    splits = SPLITS
    extras: dict[str, str] = {}  # noqa: RUF012
    license = "CC BY-NC 4.0 (CoDraw); clip art of Abstract Scenes, non-commercial research"

    def __init__(self, *, root: str | None = None, size: int = STORED) -> None:
        if size < 1:
            raise DataError(f"codraw: size {size}; a side has 1 pixel or more")
        self.root = _find(root)
        self.frame_size = (size, size)
        findings = Findings()
        self._rows = read(self.root, findings)
        self._archives = {s: Archive(self.root / f"strips64_{s}.zip") for s in SPLITS}
        for split in SPLITS:
            _compare(self._rows, split, self._archives[split], findings)
        findings.stop("codraw", self.root)

    def split(self, name: str) -> CoDrawSplit:
        """One split; `DataError` for an unknown name."""
        if name not in SPLITS:
            raise DataError(f"codraw has no split {name!r}", hint=f"Its splits are {', '.join(SPLITS)}.")
        return CoDrawSplit(self, name, [r for r in self._rows if r.split == name], self._archives[name])

    def fingerprint(self) -> str:
        """sha256 over size, captions, labels and the archives' checksums."""
        return hashlib.sha256("".join(self.split(s).fingerprint() for s in SPLITS).encode()).hexdigest()

    @classmethod
    def detect(cls, root: Path) -> bool:
        """Whether the index and one archive are there."""
        return (root / INDEX).is_file() and any((root / f"strips64_{s}.zip").is_file() for s in SPLITS)

    @classmethod
    def check(cls, root: Path) -> list[Finding]:
        """Reads every line and every strip."""
        findings = Findings()
        if not root.is_dir():
            findings.error(f"there is no folder {root}")
            return findings.list()
        rows = read(root, findings)
        for split in SPLITS:
            archive = Archive(root / f"strips64_{split}.zip")
            here = _compare(rows, split, archive, findings)
            for row in here:
                try:
                    archive.strip(row.id)
                except DataError as error:
                    findings.error(error.message)
            findings.info(f"split {split}: {len(here)} stories, {len(here) * FRAMES} frames")
        counts = Counter(CAST.names[c] for row in rows for who in row.characters for c in np.flatnonzero(who))
        findings.info("frames with " + ", ".join(f"{name} {counts[name]}" for name in CAST.names))
        return findings.list()


class CoDrawSplit(StorySet):
    """One split of codraw."""

    def __init__(self, dataset: CoDraw, name: str, rows: list[Row], archive: Archive) -> None:
        self.dataset: CoDraw = dataset
        self.name = name
        self._rows = rows
        self._archive = archive

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

    def story(self, index: int) -> Story:
        """Reads one strip."""
        row = self._rows[index]
        frames = np.stack([frame(image, self.dataset.frame_size[0]) for image in self._archive.strip(row.id)])
        return Story(row.id, row.captions, frames, np.array(row.characters, bool))

    def fingerprint(self) -> str:
        """sha256 over size, cast, this split's rows and its archive's checksums; no picture is decoded."""
        digest = hashlib.sha256(f"codraw|{self.dataset.frame_size}|{CAST.characters}|{CAST.ignore}".encode())
        sums = self._archive.sums()
        for row in self._rows:
            digest.update(f"{row}{sums[row.id]}".encode())
        return digest.hexdigest()


class Archive:
    """One zip of strips. Only its directory is read; each process opens the file for itself."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open: tuple[int, zipfile.ZipFile] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "_open": None}

    def _file(self) -> zipfile.ZipFile:
        # A handle shared over a fork would share its position as well.
        if self._open is None or self._open[0] != os.getpid():
            try:
                self._open = os.getpid(), zipfile.ZipFile(self.path)
            except FileNotFoundError:
                raise DataError(f"{self.path.name} is missing") from None
            except (zipfile.BadZipFile, OSError) as error:
                raise DataError(f"{self.path.name} is not a readable zip ({error}); copy it again") from None
        return self._open[1]

    def sums(self) -> dict[str, tuple[int, int]]:
        """Id -> checksum and length of its strip."""
        return {i.filename.removesuffix(".png"): (i.CRC, i.file_size) for i in self._file().infolist()}

    def strip(self, name: str) -> list[Image.Image]:
        """The five pictures of a story."""
        what = f"{name}.png in {self.path.name}"
        try:
            data = self._file().read(f"{name}.png")
        except KeyError:
            raise DataError(f"{what} is missing; copy the zip again") from None
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError) as error:
            raise DataError(f"{what} is corrupt ({error}); copy the zip again") from None
        image = decode(data, what)
        if image.size != (STORED, STORED * FRAMES):
            raise DataError(f"{what} is {image.width} x {image.height} pixels; expected {STORED} x {STORED * FRAMES}")
        return cut(image, FRAMES, what)


def _find(root: str | None) -> Path:
    """The folder of the data."""
    base = root or os.environ.get("GST_DATA")
    if not base:
        raise DataError(
            "codraw: no folder given; the data is not part of gst",
            hint="Set `root` to the folder codraw_sv, or the environment variable GST_DATA to it or its parent.",
        )
    for folder in (Path(base).expanduser(), Path(base).expanduser() / "codraw_sv"):
        if (folder / INDEX).is_file():
            return folder
    source = "root" if root else "GST_DATA"
    raise DataError(
        f"codraw: neither {base} nor {Path(base) / 'codraw_sv'} holds {INDEX}",
        hint=f"Set `{source}` to the folder codraw_sv or its parent.",
    )


def read(root: Path, findings: Findings) -> list[Row]:
    """The rows of the index; what is wrong goes to the findings."""
    rows = []
    for where, item in json_lines(root / INDEX, findings):
        try:
            frames = item["frames"]
            row = Row(
                item["id"],
                item["split"],
                tuple(f["caption"] for f in frames),
                tuple(tuple(bool(c) for c in f["chars"]) for f in frames),
            )
        except (KeyError, TypeError) as error:
            findings.error(f"{where}: not a story ({type(error).__name__}: {error})")
            continue
        if row.split not in SPLITS:
            findings.error(f"{where}: split {row.split!r}; expected {', '.join(SPLITS)}")
        elif not isinstance(row.id, str) or not all(isinstance(c, str) for c in row.captions):
            findings.error(f"{where}: id and captions must be texts")
        elif len(row.captions) != FRAMES or any(len(c) != len(CAST) for c in row.characters):
            findings.error(f"{where}: story {row.id} must have {FRAMES} frames with {len(CAST)} labels each")
        else:
            rows.append(row)
    if not rows and not findings.failed:
        findings.error(f"{INDEX} holds no story")
    if repeated := [i for i, n in Counter(r.id for r in rows).items() if n > 1]:
        findings.error(f"{INDEX}: ids given twice: {', '.join(repeated[:5])}")
    return rows


def _compare(rows: list[Row], split: str, archive: Archive, findings: Findings) -> list[Row]:
    """Tells which strips are missing; returns the split's rows that have one."""
    wanted = [r for r in rows if r.split == split]
    try:
        there = archive.sums()
    except DataError as error:
        findings.error(error.message)
        return []
    if missing := [r.id for r in wanted if r.id not in there]:
        findings.error(f"{archive.path.name} lacks {len(missing)} of {len(wanted)} strips, such as {missing[0]}.png")
    return [r for r in wanted if r.id in there]
