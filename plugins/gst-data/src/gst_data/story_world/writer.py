"""Other captions for story-world by rule: caption augmentation that needs no language model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from gst.cast import Cast
from gst.errors import DataError
from gst.kinds import Original, Writer, Written
from gst_data.story_world.dataset import NAME, compose
from gst_data.story_world.draw import Draw
from gst_data.story_world.retell import retell

_ID = re.compile(rf"{re.escape(NAME)}-s(-?\d+)-([a-z]+)-(\d+)")


class GrammarWriter(Writer):
    """Tells stories of story-world again, in other words and sentences, by rule.

    The facts stay: each new caption tells of the same characters, of the same positions, and of place, weather and
    night where the old one does. Names and pronouns change places, and the cast's resolver reads the truth in any
    mixture of old and new captions of a story. The new captions depend on the seed and the story's id alone.
    """

    def write(
        self, stories: Sequence[Original], *, cast: Cast, seed: int, work: Path, device: torch.device
    ) -> Iterator[Written]:
        return (Written(_again(story, seed)) for story in stories)


def _again(story: Original, seed: int) -> tuple[str, ...]:
    match = _ID.fullmatch(story.id)
    if match is None:
        raise DataError(
            f"writer 'grammar' tells stories of {NAME} again; {story.id!r} is none of them",
            hint="Use writer llm for other data.",
        )
    script, told = compose(int(match[1]), match[2], int(match[3]))
    if told.captions != story.captions:
        raise DataError(f"the captions of {story.id!r} are not those that {NAME} tells")
    return retell(Draw(f"{NAME}|again|{seed}|{story.id}"), script, told).captions
