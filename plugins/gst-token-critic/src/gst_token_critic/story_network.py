"""The transformer of a critic that is told the captions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gst.condition import Condition
from gst.nn.attention import KeyValue, as_autocast
from gst.nn.story_layers import Captions, FullLayer, LayerShape, SelfLayer, StoryLayer
from gst_maskgst.embedding import StoryEmbedding
from gst_token_critic.weights import initialise

LayerName = Literal["full", "self", "sv"]
_LAYERS: dict[str, type[SelfLayer]] = {"full": FullLayer, "self": SelfLayer, "sv": StoryLayer}


class StoryNetwork(nn.Module):
    """MaskGST's layers over [image tokens; caption; characters] of every frame, and one score an image token.

    Args:
        embedding: of all that enters.
        shape: widths and options of the layers.
        layers: their names, in order.
    """

    def __init__(self, embedding: StoryEmbedding, shape: LayerShape, layers: Sequence[LayerName]) -> None:
        super().__init__()
        self.embedding = embedding
        self.layers = nn.ModuleList(_LAYERS[name](shape) for name in layers)
        self.captions_norm = nn.LayerNorm(shape.dim, bias=False) if "full" in layers else None
        self.norm = nn.LayerNorm(shape.dim, bias=False)
        self.head = nn.Linear(shape.dim, 1)
        initialise(self)
        nn.init.normal_(embedding.null, std=0.02)

    def begin(self, condition: Condition) -> dict[str, Any]:
        """What no decoding step changes.

        Returns:
            rows, mask: what is told, (B, T, M, D) and (B, T, M). frames: bool (B, T). captions: a `Captions` for each
            layer, None for layers without cross-attention.
        """
        told = self.embedding.told(condition)
        frames = condition.frame_mask
        captions: list[Captions | None] = []
        for layer in self.layers:
            if not isinstance(layer, FullLayer):
                captions.append(None)
            elif told.captions is None or told.captions_mask is None or self.captions_norm is None:
                captions.append(Captions())
            else:
                rows = layer.read(as_autocast(self.captions_norm(told.captions)))
                mask = torch.cat([torch.ones_like(told.captions_mask[:, :1]), told.captions_mask], 1)
                captions.append(Captions(KeyValue(*rows), mask, told.shown))
        return {
            "rows": told.rows,
            "mask": told.mask,
            # A story of padding alone still needs a row to look at; what it looks at is never read.
            "frames": frames | ~frames.any(1, keepdim=True),
            "captions": captions,
        }

    def forward(self, state: dict[str, Any], ids: Tensor) -> Tensor:
        """ids (B, T, h, w) -> float32 logits (B, T, h, w)."""
        image = self.embedding.image(ids)
        tokens = image.shape[2]
        x = torch.cat([image, state["rows"]], 2)
        mask = torch.cat([torch.ones(image.shape[:3], dtype=torch.bool, device=x.device), state["mask"]], 2)
        for i, (layer, captions) in enumerate(zip(self.layers, state["captions"], strict=True)):
            x = layer(
                x,
                mask & state["frames"][..., None] if isinstance(layer, StoryLayer) else mask,
                # Only the image rows of the last layer are read.
                queries=tokens if i + 1 == len(self.layers) else None,
                captions=captions,
            )
        logits: Tensor = self.head(self.norm(x))
        return logits.float().view(ids.shape)
