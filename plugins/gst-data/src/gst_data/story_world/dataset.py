"""story-world as a data set: splits, truth and fingerprints."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations
from typing import Literal

import numpy as np

from gst.errors import DataError
from gst.kinds import Dataset, StorySet
from gst.story import Story
from gst_data.story_world.characters import CAST, HELD_OUT_PAIRS
from gst_data.story_world.draw import Draw
from gst_data.story_world.grammar import Telling, tell
from gst_data.story_world.places import PLACES
from gst_data.story_world.plots import CAST_SIZE, PLOT_NAMES, POSITIONS, Script, write_script
from gst_data.story_world.render import render
from gst_data.story_world.weather import WEATHERS

NAME = "story-world@1"
FRAMES = 5
_PLACE_NAMES = tuple(PLACES)
_HELD_OUT = frozenset(frozenset(p) for p in HELD_OUT_PAIRS)


def bucket(cast: Sequence[int], place: str, plot: str) -> str:
    """The split that owns a (cast set, first place, plot) triple: train 80 %, val 8 %, test 12 %.

    It does not depend on the seed: worlds of different seeds share no triple across splits either.
    """
    key = f"{NAME}|{','.join(str(c) for c in sorted(cast))}|{place}|{plot}"
    share = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") % 100
    return "train" if share < 80 else "val" if share < 88 else "test"


def held_out(cast: Sequence[int]) -> bool:
    """Whether a held-out pair is among these characters."""
    return any(frozenset(pair) in _HELD_OUT for pair in combinations(cast, 2))


@lru_cache(maxsize=1024)
def compose(seed: int, split: str, index: int) -> tuple[Script, Telling]:
    """The script of one story and its captions; draws no picture."""
    draw = Draw(f"{NAME}|{seed}|{split}|{index}")
    while True:
        plot, place = draw.one(PLOT_NAMES), draw.one(_PLACE_NAMES)
        everyone = draw.shuffled(range(len(CAST)))
        if split == "compositional":
            # Roles A and B meet in every plot.
            pair = draw.shuffled(draw.one(HELD_OUT_PAIRS))
            everyone = pair + [c for c in everyone if c not in pair]
        cast = everyone[: CAST_SIZE[plot]]
        if split == "compositional" or (not held_out(cast) and bucket(cast, place, plot) == split):
            break
    script = write_script(draw, plot, cast, place)
    return script, tell(draw, script)


class StoryWorld(Dataset):
    """Five-frame stories of nine invented characters, drawn and told by rule.

    A story is a function of (seed, split, index) alone; there are no files and no end. What is in a picture is what its
    caption and the captions before it tell. ``story-world@1`` is frozen: any change to a picture or a word is a new
    version.

    Splits: train, val and test share no (cast set, first place, plot) triple. The stories of ``compositional`` show
    pairs of characters that never meet in the other three.

    Args:
        size: Side of the square frames in pixels; any from 16 up. Every size is drawn, none is resized.
        seed: Another seed is another set of stories by the same rules.
        train: Number of training stories.
        val: Number of validation stories.
        test: Number of test stories.
        compositional: Number of stories with unseen pairs.
        version: Version of the rules.
    """

    places = _PLACE_NAMES
    weathers = WEATHERS
    positions = POSITIONS
    plots = PLOT_NAMES
    cast = CAST
    frames_per_story = FRAMES
    splits = ("train", "val", "test", "compositional")
    license = "MIT; part of gst-data"
    extras: dict[str, str] = {  # noqa: RUF012
        "place": "int64 (T,): index into StoryWorld.places",
        "place_told": "bool (T,): whether this frame's caption tells the place",
        "night": "bool (T,): whether it is night",
        "weather": "int64 (T,): index into StoryWorld.weathers",
        "position": "int64 (T, C): index into StoryWorld.positions, -1 for who is absent",
        "position_told": "bool (T, C): present, and this frame's caption tells the position",
        "pronoun_only": "bool (T, C): present, and this frame's caption names the character by pronoun only",
        "boxes": "float32 (T, C, 4): x0 y0 x1 y1 of the whole body in pixels, NaN for who is absent",
        "mask": "bool (T, H, W): the bodies of all characters, without what they hold",
        "plot": "int64 (): index into StoryWorld.plots",
    }

    def __init__(
        self,
        *,
        size: int = 64,
        seed: int = 0,
        train: int = 8000,
        val: int = 500,
        test: int = 1000,
        compositional: int = 500,
        version: Literal[1] = 1,
    ) -> None:
        if size < 16:
            raise DataError(f"story-world: size {size} is too small; frames need 16 pixels or more")
        if version != 1:
            raise DataError(f"story-world: there is no version {version}; this gst-data has version 1")
        self.size, self.seed = size, seed
        self.frame_size = (size, size)
        self._counts = {"train": train, "val": val, "test": test, "compositional": compositional}
        for name, count in self._counts.items():
            if count < 0:
                raise DataError(f"story-world: {name} = {count}; a number of stories is 0 or more")

    def split(self, name: str) -> StoryWorldSplit:
        """One split; `DataError` for an unknown name."""
        if name not in self._counts:
            raise DataError(f"story-world has no split {name!r}", hint=f"Its splits are {', '.join(self.splits)}.")
        return StoryWorldSplit(self, name, self._counts[name])

    def fingerprint(self) -> str:
        """sha256 over version, size, seed and counts."""
        return _sha("".join(self.split(name).fingerprint() for name in self.splits))


class StoryWorldSplit(StorySet):
    """One split of story-world."""

    def __init__(self, dataset: StoryWorld, name: str, count: int) -> None:
        self.dataset: StoryWorld = dataset
        self.name = name
        self._count = count

    def __len__(self) -> int:
        return self._count

    @property
    def ids(self) -> tuple[str, ...]:
        """The stories' ids, in order."""
        return tuple(self.id(i) for i in range(self._count))

    def id(self, index: int) -> str:
        """The id of one story; nothing is drawn."""
        return f"{NAME}-s{self.dataset.seed}-{self.name}-{index:06d}"

    def captions(self, index: int) -> tuple[str, ...]:
        """The captions of one story; nothing is drawn."""
        return compose(self.dataset.seed, self.name, range(self._count)[index])[1].captions

    def story(self, index: int) -> Story:
        """Draws one story."""
        size, seed = self.dataset.size, self.dataset.seed
        script, told = compose(seed, self.name, index)
        draw = Draw(f"{NAME}|shift|{seed}|{self.name}|{index}")
        shift = {who: draw.below(3) - 1 for who in script.cast}
        frames = np.empty((FRAMES, 3, size, size), np.uint8)
        masks = np.empty((FRAMES, size, size), bool)
        boxes = np.empty((FRAMES, len(CAST), 4), np.float32)
        position = np.full((FRAMES, len(CAST)), -1, np.int64)
        positioned, named = np.zeros((2, FRAMES, len(CAST)), bool)
        for t, frame in enumerate(script.frames):
            picture = render(frame, shift, size)
            frames[t], masks[t], boxes[t] = picture.pixels.transpose(2, 0, 1), picture.mask, picture.boxes
            position[t, list(frame.position)] = list(frame.position.values())
            positioned[t, list(told.positioned[t])] = True
            named[t, list(told.named[t])] = True
        present = position >= 0
        extras = {
            "place": np.array([_PLACE_NAMES.index(f.place) for f in script.frames], np.int64),
            "place_told": np.array(told.place_told),
            "night": np.array([f.night for f in script.frames]),
            "weather": np.array([WEATHERS.index(f.weather) for f in script.frames], np.int64),
            "position": position,
            "position_told": positioned,
            "pronoun_only": present & ~named,
            "boxes": boxes,
            "mask": masks,
            "plot": np.array(PLOT_NAMES.index(script.plot), np.int64),
        }
        return Story(self.id(index), told.captions, frames, present, extras)

    def fingerprint(self) -> str:
        """sha256 over what decides this split's content."""
        return _sha(f"{NAME}|{self.dataset.size}|{self.dataset.seed}|{self.name}|{self._count}")


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
