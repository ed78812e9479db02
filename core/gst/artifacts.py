"""What steps hand to each other besides trained components: tokens, pictures, tables, files.

Every artifact is a folder in the store. `save` writes into an empty folder, `load` opens it again without reading more
than it must (arrays are memory-mapped).
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from gst.batch import StoryBatch
from gst.cast import Cast
from gst.evaluation.resamples import Resamples
from gst.latents import Latents, LatentSpec


class Artifact(ABC):
    """A result of a step that the store keeps."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write everything into `folder`, which exists and is empty."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Self:
        """Open what `save` wrote."""


@dataclass
class Tokens(Artifact):
    """The latents of one split, with all that a prior's training needs besides.

    Args:
        spec: what the latents are.
        ids: the N stories' ids.
        captions: N lists of captions.
        data: (N, T, h, w) of the smallest unsigned integer that holds the vocabulary, zero at padding; or float16
            (N, T, c, h, w).
        characters: bool (N, T, C), the truth, or None.
        cast: the cast of the data set.
        source: fingerprint of the split they were made from.
        about: what drew them, for signatures; empty for those of real frames.
    """

    spec: LatentSpec
    ids: list[str]
    captions: list[list[str]]
    data: NDArray[Any]
    characters: NDArray[np.bool_] | None
    cast: Cast
    source: str
    about: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def batch(self, indices: Sequence[int]) -> StoryBatch:
        """The stories at `indices`, with `latents["target"]`; no frames, no condition."""
        length = max(len(self.captions[i]) for i in indices)
        picked = np.asarray(self.data[list(indices), :length])
        target = torch.from_numpy(picked.astype(np.int64 if self.spec.kind == "ids" else np.float32))
        return StoryBatch(
            ids=tuple(self.ids[i] for i in indices),
            captions=[[*self.captions[i], *[""] * (length - len(self.captions[i]))] for i in indices],
            frame_mask=torch.tensor([[t < len(self.captions[i]) for t in range(length)] for i in indices]),
            characters=None
            if self.characters is None
            else torch.from_numpy(np.asarray(self.characters[list(indices), :length])),
            latents={"target": Latents(target, self.spec)},
        )

    def save(self, folder: Path) -> None:
        np.save(folder / "data.npy", self.data)
        if self.characters is not None:
            np.save(folder / "characters.npy", self.characters)
        meta = {
            "spec": self.spec.to_json(),
            "ids": self.ids,
            "captions": self.captions,
            "cast": self.cast.to_json(),
            "source": self.source,
            "about": self.about,
        }
        (folder / "tokens.json").write_text(json.dumps(meta), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        meta = json.loads((folder / "tokens.json").read_text(encoding="utf-8"))
        labels = folder / "characters.npy"
        return cls(
            spec=LatentSpec.from_json(meta["spec"]),
            ids=meta["ids"],
            captions=meta["captions"],
            data=np.load(folder / "data.npy", mmap_mode="r"),
            characters=np.load(labels, mmap_mode="r") if labels.exists() else None,
            cast=Cast.from_json(meta["cast"]),
            source=meta["source"],
            about=meta.get("about", {}),
        )


@dataclass
class Pictures(Artifact):
    """Frames drawn for the stories of one split, in the split's order.

    Args:
        ids: the N stories' ids.
        captions: N lists of captions that were drawn.
        frames: uint8 (N, T, 3, H, W), zero at padding.
        source: fingerprint of the split.
        about: what every signature must say of them: seed, sampler, guidance, `characters_from`.
        drawn: bool (N, T), False where a frame was given to what drew the others: it is no work of a model, and is not
            scored. None: all were drawn.
    """

    ids: list[str]
    captions: list[list[str]]
    frames: NDArray[np.uint8]
    source: str
    about: dict[str, Any] = field(default_factory=dict)
    drawn: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def save(self, folder: Path) -> None:
        np.save(folder / "frames.npy", self.frames)
        if self.drawn is not None:
            np.save(folder / "drawn.npy", self.drawn)
        meta = {"ids": self.ids, "captions": self.captions, "source": self.source, "about": self.about}
        (folder / "pictures.json").write_text(json.dumps(meta), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        meta = json.loads((folder / "pictures.json").read_text(encoding="utf-8"))
        mask = folder / "drawn.npy"
        drawn = np.load(mask) if mask.exists() else None
        return cls(frames=np.load(folder / "frames.npy", mmap_mode="r"), drawn=drawn, **meta)


@dataclass
class Captions(Artifact):
    """Captions that were written for stories, such as other ones to train on. captions.jsonl has a story a line.

    Args:
        stories: story id -> T captions, None where a frame has none.
        about: who wrote them, what that cost, and which stories failed ("failures": id -> why).
    """

    stories: dict[str, list[str | None]]
    about: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.stories)

    def texts(self) -> Iterator[str]:
        """All captions."""
        return (caption for captions in self.stories.values() for caption in captions if caption is not None)

    def save(self, folder: Path) -> None:
        rows = ({"id": name, "captions": captions} for name, captions in self.stories.items())
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / "captions.jsonl").write_text(lines, encoding="utf-8")
        (folder / "about.json").write_text(json.dumps(self.about, indent=1, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        with (folder / "captions.jsonl").open(encoding="utf-8") as file:
            rows = [json.loads(line) for line in file]
        about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
        return cls({row["id"]: row["captions"] for row in rows}, about)


@dataclass
class Table(Artifact):
    """Numbers with their signatures.

    Args:
        rows: one dict a number: "metric", "of" (what was scored), "value", "low" and "high" (95 % interval), "floor",
            "ceiling", "direction", "signature".
        about: what holds for all rows.
        resamples: the numbers on resampled stories, for paired comparisons; None where there are none.
    """

    rows: list[dict[str, Any]]
    about: dict[str, Any] = field(default_factory=dict)
    resamples: Resamples | None = None

    def save(self, folder: Path) -> None:
        (folder / "table.json").write_text(json.dumps({"rows": self.rows, "about": self.about}, indent=1))
        if self.resamples is not None:
            self.resamples.save(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls(**json.loads((folder / "table.json").read_text(encoding="utf-8")), resamples=Resamples.load(folder))


@dataclass
class File(Artifact):
    """A single file, such as the report's index.html."""

    path: Path

    def save(self, folder: Path) -> None:
        target = folder / self.path.name
        target.write_bytes(self.path.read_bytes())
        (folder / "file.json").write_text(json.dumps({"name": self.path.name}))

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls(folder / json.loads((folder / "file.json").read_text(encoding="utf-8"))["name"])
