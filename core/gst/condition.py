"""What a model is told: text, characters and other stages' latents, with the edits that guidance and training make.

Truth about a picture never enters here: `Condition.characters` comes from the captions unless a recipe says
`characters_from: labels`, which every signature then prints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor

from gst.latents import Latents


@dataclass(frozen=True)
class TextSpec:
    """What a text component gives.

    Args:
        kind: "ids" for token ids that the prior embeds, "features" for hidden states of a frozen encoder.
        length: L, the number of rows every caption is padded to.
        vocab: number of ids, 0 for features.
        dim: width of features, 0 for ids.
    """

    kind: Literal["ids", "features"]
    length: int
    vocab: int = 0
    dim: int = 0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> TextSpec:
        return cls(**data)


@dataclass(frozen=True)
class Text:
    """Captions of B stories.

    Args:
        data: int64 ids (B, T, L) or floats (B, T, L, D).
        mask: bool (B, T, L), True at real tokens, False at padding.
    """

    data: Tensor
    mask: Tensor

    def to(self, device: Any) -> Text:
        return Text(self.data.to(device), self.mask.to(device))


@dataclass(frozen=True)
class Condition:
    """What a prior is told about B stories of up to T frames.

    Args:
        ids: the B stories' ids; sampling noise depends on them.
        frame_mask: bool (B, T), False at padding frames.
        text: the captions, or None: no frame has any text, and the sequence carries no text rows.
        text_shown: bool (B, T); where False this frame's caption is replaced by the null caption, and the frame sees no
            caption of the story. None means all are shown.
        characters: bool (B, T, C), who is in the frame as far as the model is told, or None: nobody told.
        characters_shown: bool (B, T); where False the frame has no character rows. None means all are shown.
        given: other stages' outputs by name (low-resolution ids, a source frame, planned tokens).
        texts: other texts by name, shaped as `text`, that a guidance puts in the captions' place (a negative prompt).
            No prior reads them.
    """

    ids: tuple[str, ...]
    frame_mask: Tensor
    text: Text | None = None
    text_shown: Tensor | None = None
    characters: Tensor | None = None
    characters_shown: Tensor | None = None
    given: dict[str, Latents] = field(default_factory=dict)
    texts: dict[str, Text] = field(default_factory=dict)

    @property
    def batch(self) -> int:
        return int(self.frame_mask.shape[0])

    @property
    def frames(self) -> int:
        return int(self.frame_mask.shape[1])

    def without_text(self, where: Tensor | None = None) -> Condition:
        """Drop the captions of the frames in `where` (bool (B, T)), or all of them, text rows included."""
        if where is None:
            return replace(self, text=None, text_shown=None)
        return replace(self, text_shown=_hide(self.text_shown, where))

    def without_characters(self, where: Tensor | None = None) -> Condition:
        """Drop the characters of the frames in `where` (bool (B, T)), or of all frames."""
        if where is None:
            return replace(self, characters=None, characters_shown=None)
        return replace(self, characters_shown=_hide(self.characters_shown, where))

    def flip_characters(self) -> Condition:
        """Swap present and absent: the `notchar` condition of character guidance (MaskGST thesis, section 8.3.4)."""
        return self if self.characters is None else replace(self, characters=~self.characters)

    def null(self) -> Condition:
        """Neither text nor characters; what other stages gave stays."""
        return self.without_text().without_characters()

    @property
    def layout(self) -> tuple[Any, ...]:
        """Equal for conditions that give sequences of one shape, so that they can run in one pass."""
        text = None if self.text is None else tuple(self.text.data.shape[2:])
        given = tuple((name, self.given[name].spec) for name in sorted(self.given))
        return (self.frames, text, self.characters is None, given)

    def to(self, device: Any) -> Condition:
        def move(x: Tensor | None) -> Tensor | None:
            return None if x is None else x.to(device)

        return replace(
            self,
            frame_mask=self.frame_mask.to(device),
            text=None if self.text is None else self.text.to(device),
            text_shown=move(self.text_shown),
            characters=move(self.characters),
            characters_shown=move(self.characters_shown),
            given={name: latents.to(device) for name, latents in self.given.items()},
            texts={name: text.to(device) for name, text in self.texts.items()},
        )

    @staticmethod
    def stack(conditions: Sequence[Condition]) -> Condition:
        """Join conditions of one `layout` along the batch: branches of guidance, or stories."""
        first = conditions[0]
        if any(c.layout != first.layout for c in conditions):
            raise ValueError(f"conditions of different layouts cannot be stacked: {[c.layout for c in conditions]}")
        return Condition(
            ids=tuple(i for c in conditions for i in c.ids),
            frame_mask=torch.cat([c.frame_mask for c in conditions]),
            text=None if first.text is None else _stack_texts([c.text for c in conditions if c.text]),
            text_shown=_stack_shown([(c.text_shown, c.frame_mask) for c in conditions]),
            characters=None
            if first.characters is None
            else torch.cat([c.characters for c in conditions if c.characters is not None]),
            characters_shown=_stack_shown([(c.characters_shown, c.frame_mask) for c in conditions]),
            given={
                name: Latents(torch.cat([c.given[name].data for c in conditions]), latents.spec)
                for name, latents in first.given.items()
            },
            texts={name: _stack_texts([c.texts[name] for c in conditions]) for name in first.texts},
        )


def _stack_texts(texts: list[Text]) -> Text:
    return Text(torch.cat([text.data for text in texts]), torch.cat([text.mask for text in texts]))


def _hide(shown: Tensor | None, where: Tensor) -> Tensor:
    return ~where if shown is None else shown & ~where


def _stack_shown(parts: list[tuple[Tensor | None, Tensor]]) -> Tensor | None:
    if all(shown is None for shown, _ in parts):
        return None
    return torch.cat([torch.ones_like(frames) if shown is None else shown for shown, frames in parts])
