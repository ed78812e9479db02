import hashlib

import numpy as np

from gst.cast import Cast, Character
from gst.errors import DataError
from gst.kinds import Dataset, StorySet
from gst.story import Story


class ToySplit(StorySet):
    def __init__(self, dataset, name, count):
        self.dataset, self.name, self.count = dataset, name, count

    def __len__(self):
        return self.count

    def story(self, index):
        frames = np.full((2, 3, 8, 8), index, np.uint8)
        return Story(
            id=f"{self.name}-{index}", captions=self.captions(index), frames=frames, characters=None, extras={}
        )

    def captions(self, index):
        return (f"Bo sees {index}", "Bo sleeps")

    def fingerprint(self):
        return hashlib.sha256(f"toy {self.name} {self.count} {self.dataset.shade}".encode()).hexdigest()


class ToyData(Dataset):
    """Grey frames.

    Args:
        stories: how many a split has.
        shade: of grey.
        missing: whether its files are not there.
    """

    def __init__(self, *, stories: int = 4, shade: int = 0, missing: bool = False) -> None:
        if missing:
            raise DataError("there is no folder 'toys'", hint="Make it.")
        if stories < 1:
            raise ValueError(f"stories is {stories}; at least one is needed")
        self.stories, self.shade = stories, shade
        self.cast = Cast((Character("Bo"),))
        self.frame_size, self.frames_per_story, self.extras = (8, 8), 2, {}
        self.splits = ("train", "test")

    def split(self, name):
        if name not in self.splits:
            raise DataError(f"there is no split '{name}'")
        return ToySplit(self, name, self.stories)

    def fingerprint(self):
        return hashlib.sha256(f"toys {self.stories} {self.shade}".encode()).hexdigest()
