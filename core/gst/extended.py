"""A split of stories that carries one more extra, which a step made."""

from __future__ import annotations

import copy
import hashlib
import json
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from gst.artifacts import Artifact
from gst.errors import CheckpointError, DataError
from gst.kinds import Dataset, StorySet
from gst.saving import load_component, save_component
from gst.story import Story


class ExtendedStories(StorySet, Artifact):
    """The first stories of a split, each with one more extra. It stands wherever a split does.

    Saved, it is the array and the description of the data set, which is opened again; pictures are not copied.

    Args:
        inner: the split.
        name: of the extra.
        meaning: what it is, as in `Dataset.extras`.
        values: (N, T, ...) for the first N stories of the split, T being the data set's longest story; what is past the
            end of a story is never read.

    Raises:
        DataError: the split has fewer stories, or an extra of that name already.
    """

    def __init__(self, inner: StorySet, name: str, meaning: str, values: NDArray[Any]) -> None:
        if len(values) > len(inner):
            raise DataError(f"the extra '{name}' is for {len(values)} stories; split '{inner.name}' has {len(inner)}")
        if name in inner.dataset.extras:
            raise DataError(f"the stories of split '{inner.name}' have an extra '{name}' already")
        self.inner, self.extra, self.meaning, self.values = inner, name, meaning, values
        self.name = inner.name
        self.dataset: Dataset = copy.copy(inner.dataset)
        self.dataset.extras = {**inner.dataset.extras, name: meaning}

    def __len__(self) -> int:
        return len(self.values)

    def story(self, index: int) -> Story:
        story = self.inner[index]
        return replace(story, extras={**story.extras, self.extra: np.asarray(self.values[index, : len(story)])})

    def captions(self, index: int) -> tuple[str, ...]:
        return self.inner.captions(index)

    def id(self, index: int) -> str:
        return self.inner.id(index)

    def clips(self, index: int) -> tuple[str, ...]:
        return self.inner.clips(index)

    def fingerprint(self) -> str:
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        total = hashlib.sha256(
            f"{self.inner.fingerprint()}|{self.extra}|{self.values.dtype}|{self.values.shape}".encode()
        )
        total.update(np.ascontiguousarray(self.values).data)
        return total.hexdigest()

    @property
    def source(self) -> str:
        return self.inner.source

    def save(self, folder: Path) -> None:
        np.save(folder / "values.npy", self.values)
        about = {"name": self.extra, "meaning": self.meaning, "split": self.name, "of": self.inner.fingerprint()}
        (folder / "extra.json").write_text(json.dumps(about), encoding="utf-8")
        if isinstance(self.inner, ExtendedStories):
            (folder / "inner").mkdir()
            self.inner.save(folder / "inner")
        else:
            save_component(self.inner.dataset, folder / "dataset")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open it, and the data set with it. Raises `CheckpointError` where that has changed since."""
        meta = json.loads((folder / "extra.json").read_text(encoding="utf-8"))
        if (folder / "inner").is_dir():
            inner: StorySet = cls.load(folder / "inner")
        else:
            dataset = load_component(folder / "dataset")
            assert isinstance(dataset, Dataset)
            inner = dataset.split(meta["split"])
        if inner.fingerprint() != meta["of"]:
            raise CheckpointError(
                f"the extra '{meta['name']}' was made for other stories than split '{inner.name}' of data set "
                f"'{inner.dataset.use}' holds now",
                hint="Run the step that made it again (gst run RECIPE --force STEP).",
            )
        return cls(inner, meta["name"], meta["meaning"], np.load(folder / "values.npy", mmap_mode="r"))
