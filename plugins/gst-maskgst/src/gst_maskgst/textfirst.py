"""MaskGST whose captions are read before any token is drawn, once a story."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gst.condition import Condition
from gst.nn.attention import KeyValue, as_autocast, attend
from gst.nn.story_layers import Captions, SelfLayer
from gst_maskgst.prior import MaskGST


class MaskGSTTextFirst(MaskGST):
    """MaskGST in which caption and character rows attend to each other only, and image rows to all.

    In the thesis' MaskGST the caption rows also attend to the image tokens, so that they change from one decoding step
    to the next. Here nothing told depends on what is drawn: its keys and values are computed once a story, and image
    rows alone run in each step. Another model with the same weights, to be trained as such; the thesis does not have
    it.

    Training needs no memory of the told rows, so there all rows pass a layer together, and attention alone tells them
    apart.
    """

    def begin(self, condition: Condition) -> dict[str, Any]:
        """As in MaskGST; besides, what the told rows become.

        Returns:
            memory: the keys and values of the told rows for each layer, (B, T, heads, M, head_dim), or
            (B, 1, heads, T * M, head_dim) in sv layers; and all that MaskGST returns.
        """
        state = super().begin(condition)
        rows, mask, state["memory"] = state["rows"], state["mask"], []
        for i, layer in enumerate(self.layers):
            normed = layer.group(as_autocast(layer.attention_norm(rows)))
            seen = layer.attention.project(normed)
            state["memory"].append([part.unflatten(0, (condition.batch, -1)) for part in seen])
            if i + 1 < len(self.layers):
                heard = layer.attention(normed, seen, layer.group(self._seen(state, layer, mask)))
                rows = layer.finish(rows, heard.view_as(rows), self._captions(state, i))
        return state

    def _hidden(self, state: dict[str, Any], x: Tensor) -> Tensor:
        rows = self.embedding.image(x)
        real = torch.ones(rows.shape[:3], dtype=torch.bool, device=rows.device)
        for i, layer in enumerate(self.layers):
            normed = layer.group(as_autocast(layer.attention_norm(rows)))
            memory = KeyValue(*(part.flatten(0, 1) for part in state["memory"][i]))
            seen = layer.attention.project(normed).join(memory)
            visible = [layer.group(self._seen(state, layer, mask)) for mask in (real, state["mask"])]
            heard = layer.attention(normed, seen, torch.cat(visible, 1))
            rows = layer.finish(rows, heard.view_as(rows), self._captions(state, i))
        out: Tensor = self.norm(rows)
        return out

    def _one_pass(self, condition: Condition, x: Tensor) -> Tensor:
        state = super().begin(condition)
        rows, mask = self._sequence(state, x)
        *before, last = self.layers
        for i, layer in enumerate(before):
            rows = _together(layer, rows, self._seen(state, layer, mask), self.latents.tokens, self._captions(state, i))
        # Of the last layer only image rows are read, which see everything.
        rows = last(
            rows,
            self._seen(state, last, mask),
            queries=self.latents.tokens,
            captions=self._captions(state, len(before)),
        )
        out: Tensor = self.norm(rows)
        return out


def _together(layer: SelfLayer, rows: Tensor, mask: Tensor, tokens: int, captions: Captions | None) -> Tensor:
    """A layer over the rows (B, T, S, D) of frames that begin with `tokens` image rows; the others see no image row."""

    def image_first(x: Tensor) -> Tensor:
        return torch.cat([layer.group(x[:, :, :tokens]), layer.group(x[:, :, tokens:])], 1)

    normed, visible = image_first(as_autocast(layer.attention_norm(rows))), image_first(mask)
    query, (key, value) = layer.attention.ask(normed), layer.attention.project(normed)
    image = layer.group(mask[:, :, :tokens]).shape[1]
    mixed = [
        attend(query[:, :, :image], key, value, visible),
        attend(query[:, :, image:], key[:, :, image:], value[:, :, image:], visible[:, image:]),
    ]
    heard = layer.attention.answer(torch.cat(mixed, 2))
    stories, frames = rows.shape[:2]
    parts = [part.reshape(stories, frames, -1, rows.shape[-1]) for part in (heard[:, :image], heard[:, image:])]
    return layer.finish(rows, torch.cat(parts, 2), captions)
