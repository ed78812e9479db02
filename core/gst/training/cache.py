"""Stories in memory, so that a story is drawn or decoded once a process and not once an epoch and step."""

from __future__ import annotations

from gst.kinds.dataset import StorySet
from gst.story import Story

LIMIT = 2**30


class CachedStorySet(StorySet):
    """A split that remembers the stories it was asked for, frames as uint8, while there is room."""

    def __init__(self, inner: StorySet, limit: int) -> None:
        self.inner, self.limit = inner, limit
        self.dataset, self.name = inner.dataset, inner.name
        self.nbytes = 0
        self._stories: dict[int, Story] = {}

    def __len__(self) -> int:
        return len(self.inner)

    def story(self, index: int) -> Story:
        found = self._stories.get(index)
        if found is not None:
            return found
        story = self.inner.story(index)
        size = story.frames.nbytes + sum(array.nbytes for array in story.extras.values())
        if sum(other.nbytes for other in _SETS.values()) + size <= self.limit:
            self._stories[index] = story
            self.nbytes += size
        return story

    def captions(self, index: int) -> tuple[str, ...]:
        found = self._stories.get(index)
        return self.inner.captions(index) if found is None else found.captions

    def id(self, index: int) -> str:
        return self.inner.id(index)

    def clips(self, index: int) -> tuple[str, ...]:
        return self.inner.clips(index)

    def fingerprint(self) -> str:
        return self.inner.fingerprint()

    @property
    def source(self) -> str:
        return self.inner.source


_SETS: dict[str, CachedStorySet] = {}


def cached(stories: StorySet, limit_bytes: int = LIMIT) -> StorySet:
    """The same split, kept in memory as it is read, and shared by all steps of this process (by fingerprint).

    Args:
        stories: the split.
        limit_bytes: frames and extras of all cached splits together take at most this much; what does not fit is read
            again each time.
    """
    if isinstance(stories, CachedStorySet):
        return stories
    return _SETS.setdefault(stories.fingerprint(), CachedStorySet(stories, limit_bytes))
