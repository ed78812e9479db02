"""Data sets: splits of stories, a cast, and truths beyond the pictures."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, overload

from gst.cast import Cast
from gst.component import Component
from gst.story import Story


@dataclass(frozen=True)
class Finding:
    """One thing `gst data check` has to say. An "error" makes the data set unusable as it is."""

    level: Literal["error", "warning", "info"]
    message: str


class StorySet(Sequence[Story]):
    """One split of a data set. Indexing renders or reads one story; nothing else is read.

    Attributes:
        dataset: the data set it is a split of (cast, extras, frame size).
        name: the split's name.
    """

    dataset: Dataset
    name: str

    @abstractmethod
    def __len__(self) -> int: ...

    @overload
    def __getitem__(self, index: int) -> Story: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Story]: ...
    def __getitem__(self, index: int | slice) -> Story | Sequence[Story]:
        if isinstance(index, slice):
            return [self.story(i) for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"story {index} of split '{self.name}', which has {len(self)}")
        return self.story(index % len(self))

    @abstractmethod
    def story(self, index: int) -> Story:
        """The story at `index`, 0 <= index < len(self)."""

    @abstractmethod
    def captions(self, index: int) -> tuple[str, ...]:
        """The captions of one story, without reading or drawing its pictures."""

    def id(self, index: int) -> str:
        """The id of one story; reads the story where a data set knows no shorter way."""
        return self[index].id

    def clips(self, index: int) -> tuple[str, ...]:
        """What files from elsewhere call the frames of one story (a dictionary of captions); by default "ID#0",
        "ID#1" and so on."""
        return tuple(f"{self.id(index)}#{t}" for t in range(len(self.captions(index))))

    @abstractmethod
    def fingerprint(self) -> str:
        """sha256 (hex) over everything that decides what this split holds."""

    @property
    def source(self) -> str:
        """Fingerprint of the split whose captions and frames these are: its own, unless it only adds to another's."""
        return self.fingerprint()


class Dataset(Component):
    """Stories in named splits.

    Attributes:
        cast: the main characters; `Story.characters` has one column each.
        frame_size: (H, W) of all frames.
        frames_per_story: T of the longest story.
        extras: name -> what the array of that name in `Story.extras` means, with its shape.
        splits: names of the splits; "train" comes first.
        license: under which terms the pictures may be used, or "".
    """

    kind: ClassVar[str] = "dataset"
    cast: Cast
    frame_size: tuple[int, int]
    frames_per_story: int
    extras: dict[str, str]
    splits: tuple[str, ...]
    license: str = ""

    @abstractmethod
    def split(self, name: str) -> StorySet:
        """One split. Raises `DataError` that lists the splits where there is none of that name."""

    @abstractmethod
    def fingerprint(self) -> str:
        """sha256 (hex) over everything that decides what the data set holds."""

    @classmethod
    def detect(cls, root: Path) -> bool:
        """Whether the files under `root` look like this data set."""
        return False

    @classmethod
    def check(cls, root: Path) -> list[Finding]:
        """Everything worth knowing about the files under `root`. Never raises for bad data."""
        return []
