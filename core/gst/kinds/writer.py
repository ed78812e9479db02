"""Writers: captions written for stories."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import torch

from gst.cast import Cast
from gst.component import Component


@dataclass(frozen=True)
class Original:
    """A story to write for.

    Args:
        id: the story's id.
        captions: its T captions.
    """

    id: str
    captions: tuple[str, ...]


@dataclass(frozen=True)
class Written:
    """What came of one story.

    Args:
        captions: T captions, or None where the writer could not.
        failure: why it could not.
        cost: what it took, summed over all stories by the caller: requests, tokens_in, tokens_out, price.
    """

    captions: tuple[str, ...] | None
    failure: str = ""
    cost: Mapping[str, float] = field(default_factory=dict)


class Writer(Component):
    """Writes captions: other words for the same stories, to train on."""

    kind: ClassVar[str] = "writer"

    @abstractmethod
    def write(
        self, stories: Sequence[Original], *, cast: Cast, seed: int, work: Path, device: torch.device
    ) -> Iterator[Written]:
        """What is written for each story, in their order, each as soon as it is there.

        It depends on the options, the seed and the story, not on the stories beside it.

        Args:
            stories: the stories.
            cast: who they may name.
            seed: another seed, other words.
            work: a folder that survives kills. A writer that is slow or costs money keeps there what it has, so that it
                goes on when it is called again.
            device: where a model is to compute.

        Raises:
            WritingError: nothing can be written at all (an endpoint refuses, or cannot be reached).
            DataError: these stories are none that it can write for.
        """
