"""How a story becomes rows: image tokens, captions and characters, each with its place."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gst.condition import Condition, TextSpec
from gst.errors import UsageError
from gst.latents import LatentSpec
from gst.nn.positions import GridPositions


@dataclass
class Told:
    """The rows of what the model is told, besides the image's.

    Args:
        rows: (B, T, M, D): the caption's rows (or the one null row), then the characters' rows.
        mask: bool (B, T, M); the first row of every frame is True.
        captions: (B, T*L, D), all captions of the story, or None where no frame has any text.
        captions_mask: bool (B, T*L).
        shown: bool (B, T), which frames see captions; None means all.
    """

    rows: Tensor
    mask: Tensor
    captions: Tensor | None = None
    captions_mask: Tensor | None = None
    shown: Tensor | None = None


class StoryEmbedding(nn.Module):
    """Learned embeddings of all that enters MaskGST.

    Every row also carries its frame's vector, the same for image, caption and character rows, so that a frame can find
    the captions before its own (a place told earlier, whom a pronoun stands for).

    Args:
        dim: width D.
        frames: T of the longest story.
        latents: ids to embed; one more stands for the mask.
        text: what captions look like, or None without captions.
        characters: cast size C, 0 without characters.
        per_character: rows a character.
    """

    def __init__(
        self,
        dim: int,
        frames: int,
        latents: LatentSpec,
        text: TextSpec | None,
        *,
        characters: int,
        per_character: int,
    ) -> None:
        super().__init__()
        self.characters, self.per_character = characters, per_character
        self.frame = nn.Embedding(frames, dim)
        self.token = nn.Embedding(latents.vocab + 1, dim)
        self.place = GridPositions(latents.grid, dim)
        self.null = nn.Parameter(torch.empty(dim))
        self.word: nn.Module | None = None
        if text is not None:
            self.word = nn.Embedding(text.vocab, dim) if text.kind == "ids" else nn.Linear(text.dim, dim, bias=False)
            self.word_place = nn.Embedding(text.length, dim)
        if characters:
            # Present and absent are two embeddings each (thesis, 8.3.4).
            self.present = nn.Embedding(characters * per_character, dim)
            self.absent = nn.Embedding(characters * per_character, dim)

    def image(self, ids: Tensor) -> Tensor:
        """ids (B, T, h, w) -> rows (B, T, N, D)."""
        frames = self._frames(ids.shape[1])
        return self.token(ids.flatten(2)) + (self.place() + frames)

    def told(self, condition: Condition) -> Told:
        """The rows of a condition."""
        frames = self._frames(condition.frames)
        null = (self.null + frames).expand(condition.batch, -1, -1, -1)
        if condition.text is None or self.word is None:
            told = Told(null, torch.ones(null.shape[:3], dtype=torch.bool, device=null.device))
        else:
            told = self._captions(condition, frames, null)
        if condition.characters is None or not self.characters:
            return told
        rows = self._who(condition.characters) + frames
        shown = condition.characters_shown
        mask = torch.ones_like(condition.frame_mask) if shown is None else shown
        told.rows = torch.cat([told.rows, rows], 2)
        told.mask = torch.cat([told.mask, mask[..., None].expand(rows.shape[:3])], 2)
        return told

    def _captions(self, condition: Condition, frames: Tensor, null: Tensor) -> Told:
        assert condition.text is not None
        assert self.word is not None
        data, mask = condition.text.data, condition.text.mask
        length = data.shape[2]
        rows = self.word(data) + (self.word_place.weight[:length] + frames)
        shown = condition.text_shown
        # A caption without a single token counts as none, so every frame keeps a row that may be seen.
        own = (mask.any(-1) if shown is None else shown & mask.any(-1))[..., None]
        first = torch.arange(length, device=mask.device) == 0
        return Told(
            rows=torch.where(own[..., None], rows, null.to(rows.dtype)),
            mask=torch.where(own, mask, first),
            captions=rows.flatten(1, 2),
            captions_mask=(mask & condition.frame_mask[..., None]).flatten(1, 2),
            shown=shown,
        )

    def _who(self, characters: Tensor) -> Tensor:
        """bool (B, T, C) -> rows (B, T, C * per_character, D)."""
        if characters.shape[-1] != self.characters:
            raise UsageError(
                f"the condition tells of {characters.shape[-1]} characters; this prior was built for a cast of "
                f"{self.characters}"
            )
        there = characters.repeat_interleave(self.per_character, -1)[..., None]
        return torch.where(there, self.present.weight, self.absent.weight)

    def _frames(self, frames: int) -> Tensor:
        """(T, 1, D)."""
        if frames > self.frame.num_embeddings:
            raise UsageError(
                f"a story of {frames} frames; this prior was built for at most {self.frame.num_embeddings}",
                hint="Tell a shorter story, or train the prior with a larger max_frames.",
            )
        return self.frame.weight[:frames, None]
