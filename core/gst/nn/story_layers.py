"""The three layers of MaskGST: within a frame, within a frame with all captions, and over the whole story.

They share one signature, so that a prior is a list of them. Attention has no notion of order, so the story layer's
arrangement (all image rows, then all text rows, then all character rows) needs no moving of rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from gst.nn.attention import Attention, KeyValue, as_autocast
from gst.nn.feedforward import Activation, FeedForward


@dataclass(frozen=True)
class Captions:
    """All captions of the stories, as a full layer sees them.

    Args:
        rows: their keys and values in that layer, (B, heads, 1 + T*L, head_dim), the null row first; None where no
            frame has any text, so that all see the null row only.
        mask: bool (B, 1 + T*L), which of them may be seen.
        shown: bool (B, T), the frames that see captions at all; the others see the null row only. None means
            all see them.
    """

    rows: KeyValue | None = None
    mask: Tensor | None = None
    shown: Tensor | None = None


@dataclass(frozen=True)
class LayerShape:
    """What the layers of one model have in common.

    Args:
        dim: width D.
        heads: number of heads.
        head_dim: width of a head.
        ff_mult: hidden width of the feed-forward part over D.
        activation: of the feed-forward part.
        qk_norm: normalise queries and keys.
        dropout: share of each branch's output that is dropped in training.
    """

    dim: int
    heads: int
    head_dim: int
    ff_mult: float = 4.0
    activation: Activation = "geglu"
    qk_norm: bool = True
    dropout: float = 0.0


class SelfLayer(nn.Module):
    """Self-attention over a frame's own rows, then feed-forward; pre-norm, residual around each (thesis, 8.2).

    Args:
        shape: widths and options.
    """

    scope: ClassVar[Literal["frame", "story"]] = "frame"

    def __init__(self, shape: LayerShape) -> None:
        super().__init__()
        self.dropout = shape.dropout
        self.attention_norm = nn.LayerNorm(shape.dim, bias=False)
        self.attention = Attention(shape.dim, shape.heads, shape.head_dim, qk_norm=shape.qk_norm)
        self.feed_forward_norm = nn.LayerNorm(shape.dim, bias=False)
        self.feed_forward = FeedForward(shape.dim, shape.ff_mult, shape.activation)

    def forward(
        self, x: Tensor, mask: Tensor, *, queries: int | None = None, captions: Captions | None = None
    ) -> Tensor:
        """One layer.

        Args:
            x: (B, T, S, D).
            mask: bool (B, T, S), the rows that may be seen; at least one a frame, and a story.
            queries: compute the first so many rows of each frame only; the others are merely seen.
            captions: for full layers.

        Returns:
            (B, T, queries or S, D).
        """
        normed = as_autocast(self.attention_norm(x))
        seen = self.attention.project(self.group(normed))
        x, normed = x[:, :, :queries], normed[:, :, :queries]
        return self.finish(x, self.attention(self.group(normed), seen, self.group(mask)).view_as(x), captions)

    def group(self, x: Tensor) -> Tensor:
        """(B, T, S, ...) -> what attends to one another: (B*T, S, ...), or (B, T*S, ...) over the story."""
        return x.flatten(0, 1) if self.scope == "frame" else x.flatten(1, 2)

    def finish(self, x: Tensor, heard: Tensor, captions: Captions | None = None) -> Tensor:
        """What follows self-attention: for models that compute that themselves.

        Args:
            x: (B, T, S, D), the rows that came in.
            heard: (B, T, S, D), what self-attention gave them.
            captions: for full layers.

        Returns:
            (B, T, S, D).
        """
        x = self._cross(x + self._drop(heard), captions)
        return x + self._drop(self.feed_forward(self.feed_forward_norm(x)))

    def _drop(self, x: Tensor) -> Tensor:
        return functional.dropout(x, self.dropout, self.training) if self.dropout else x

    def _cross(self, x: Tensor, captions: Captions | None) -> Tensor:
        return x


class StoryLayer(SelfLayer):
    """The SV layer: a self layer whose rows see all frames of the story (thesis, 8.3.2).

    Rows of padding frames must be False in its mask.
    """

    scope = "story"


class FullLayer(SelfLayer):
    """A self layer with cross-attention to all captions of the story in between (thesis, 8.2).

    Args:
        shape: widths and options.
    """

    def __init__(self, shape: LayerShape) -> None:
        super().__init__(shape)
        self.cross_norm = nn.LayerNorm(shape.dim, bias=False)
        self.cross_attention = Attention(shape.dim, shape.heads, shape.head_dim, qk_norm=shape.qk_norm, null=True)

    def read(self, captions: Tensor) -> KeyValue:
        """Caption rows (B, T*L, D) -> their keys and values, the null row first; for `Captions.rows`."""
        return self.cross_attention.project(captions)

    def _cross(self, x: Tensor, captions: Captions | None) -> Tensor:
        if captions is None:
            raise ValueError("a full layer needs captions; Captions() stands for none")
        if captions.rows is None:
            return x + self._drop(self.cross_attention.nothing().expand_as(x))
        # The frames of a story share its captions, so all their queries go in one call, and no key is repeated.
        heard = self.cross_attention(self.cross_norm(x).flatten(1, 2), captions.rows, captions.mask).view_as(x)
        if captions.shown is not None:
            heard = torch.where(captions.shown[..., None, None], heard, self.cross_attention.nothing().to(heard.dtype))
        return x + self._drop(heard)
