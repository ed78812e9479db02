"""The transformer of a critic that is told who is there, and nothing else."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gst.condition import Condition
from gst.errors import UsageError
from gst.latents import LatentSpec
from gst.nn.attention import KeyValue
from gst.nn.positions import GridPositions
from gst.nn.story_layers import Captions, FullLayer, LayerShape
from gst_token_critic.weights import initialise


class CharacterNetwork(nn.Module):
    """Full layers over the image tokens of single frames, whose cross-attention sees the embeddings of the characters
    present in that frame (thesis, 8.5 and figure 9.2.2). One score a token.

    Nobody present is a learned null row, which every frame sees beside its characters.

    Args:
        latents: ids to judge.
        characters: cast size C.
        shape: widths and options of the layers.
        layers: how many.
    """

    def __init__(self, latents: LatentSpec, characters: int, shape: LayerShape, layers: int) -> None:
        super().__init__()
        self.characters = characters
        self.token = nn.Embedding(latents.vocab, shape.dim)
        self.place = GridPositions(latents.grid, shape.dim)
        self.who = nn.Embedding(characters, shape.dim)
        self.who_norm = nn.LayerNorm(shape.dim, bias=False)
        self.layers = nn.ModuleList(FullLayer(shape) for _ in range(layers))
        self.norm = nn.LayerNorm(shape.dim, bias=False)
        self.head = nn.Linear(shape.dim, 1)
        initialise(self)

    def begin(self, condition: Condition) -> dict[str, Any]:
        """What no decoding step changes.

        Returns:
            present: bool (B, T, C), who is seen. who: the cast's keys and values for each layer, (1, heads, 1 + C,
            head_dim), which all frames share.

        Raises:
            UsageError: the condition tells of no characters, or of another cast.
        """
        told = condition.characters
        if told is None or told.shape[-1] != self.characters:
            what = "no characters" if told is None else f"{told.shape[-1]} characters"
            raise UsageError(
                f"the condition tells of {what}; this critic was built for a cast of {self.characters}",
                hint="Train prior and critic with characters_from: captions." if told is None else "",
            )
        rows = self.who_norm(self.who.weight)[None]
        shown = condition.characters_shown
        return {
            "present": told if shown is None else told & shown[..., None],
            "who": [layer.read(rows) for layer in self.layers],
        }

    def forward(self, state: dict[str, Any], ids: Tensor) -> Tensor:
        """ids (B, T, h, w) -> float32 logits (B, T, h, w)."""
        # Every frame is a story of its own, whose only caption is its characters.
        x = (self.token(ids.flatten(2)) + self.place()).flatten(0, 1)[:, None]
        frames = len(x)
        mask = torch.ones(x.shape[:3], dtype=torch.bool, device=x.device)
        present = state["present"].flatten(0, 1)
        seen = torch.cat([torch.ones_like(present[:, :1]), present], 1)
        for layer, who in zip(self.layers, state["who"], strict=True):
            rows = KeyValue(*(part.expand(frames, -1, -1, -1) for part in who))
            x = layer(x, mask, captions=Captions(rows, seen))
        logits: Tensor = self.head(self.norm(x))
        return logits.float().view(ids.shape)
