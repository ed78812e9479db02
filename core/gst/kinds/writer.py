"""Writers: captions from a prompt, from captions, or from frames."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from gst.component import Component


class Writer(Component):
    """Writes captions: augmentation, story writing, captioning."""

    kind: ClassVar[str] = "writer"

    @abstractmethod
    def write(self, captions: Sequence[Sequence[str]], *, seed: int) -> list[list[str]]:
        """New captions for B stories of T captions each."""
