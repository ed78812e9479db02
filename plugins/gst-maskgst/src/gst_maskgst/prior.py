"""MaskGST: the masked generative story transformer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from gst.batch import StoryBatch
from gst.cast import Cast
from gst.component import Bound
from gst.condition import Condition, TextSpec
from gst.errors import TrainingError
from gst.kinds.prior import Drop, MaskedPrior
from gst.latents import LatentSpec
from gst.nn.attention import KeyValue, as_autocast
from gst.nn.feedforward import Activation
from gst.nn.story_layers import Captions, FullLayer, LayerShape, SelfLayer, StoryLayer
from gst_maskgst.embedding import StoryEmbedding, Told
from gst_maskgst.loss import MaskedLoss
from gst_maskgst.masking import Drops, draw_mask, seeded_dropout, trim
from gst_maskgst.ranges import Count, NotAll, NotNegative, Positive, Share
from gst_maskgst.schedules import Schedule, latest

LayerName = Literal["full", "self", "sv"]
_LAYERS: dict[str, type[SelfLayer]] = {"full": FullLayer, "self": SelfLayer, "sv": StoryLayer}
_DEFAULT_LAYERS: tuple[LayerName, ...] = ("full", "full", "self", "self", "self", "self")


class MaskGST(MaskedPrior):
    """Predicts the masked tokens of a frame from the others, its caption, its characters, and all captions.

    The sequence of a frame is [N image tokens; its caption; its characters]. Defaults follow the thesis "Masked
    Generative Story Transformer" (chapter 8) except for the width, which is 1024 there with 8 heads of 64 (70 M
    parameters). Padding is masked out of attention everywhere, which the authors' code does not do.

    Args:
        dim: width D; a multiple of 64 runs fastest.
        heads: attention heads.
        head_dim: width of a head; heads * head_dim need not be D.
        layers: the layers in order. "full": self-attention within the frame and cross-attention to all captions;
            "self": without cross-attention; "sv": self-attention over all frames of the story.
        characters: append the characters' rows to every frame: one embedding for "present", one for "absent" each.
        tokens_per_character: rows a character (the authors' code has 8).
        max_frames: T of the longest story.
        ff_mult: hidden width of the feed-forward parts over D.
        activation: of the feed-forward parts; geglu has two thirds of the hidden width, so as many weights, and is
            slower.
        qk_norm: normalise queries and keys of every head.
        dropout: share of every layer branch's output dropped in training.
        drop_text_frame: share of frames trained with the null caption, each on its own. Unset: 0.2, or 0.1 with sv
            layers.
        drop_text_story: share of stories trained without any caption. Unset: 0, or 0.1 with sv layers, where the
            captions of other frames come in through attention.
        drop_characters: share of stories trained without character rows.
        drop_all: share of stories trained without captions and without characters.
        schedule: how the share of masked tokens in training depends on a uniform r.
        mask_min: train only on frames with at least this share masked.
        mask_shared: one r for all frames of a story instead of one a frame.
        label_smoothing: of the cross-entropy.
        rarity_weight: weigh a masked token by (1 / frequency of its id) to this power, mean 1; 0 is the thesis' loss.
            Frequencies are a running mean over training batches.
    """

    def __init__(
        self,
        *,
        dim: Count = 256,
        heads: Count = 4,
        head_dim: Count = 64,
        layers: Annotated[Sequence[LayerName], Field(min_length=1)] = _DEFAULT_LAYERS,
        characters: bool = True,
        tokens_per_character: Count = 1,
        max_frames: Count = 16,
        ff_mult: Positive = 4.0,
        activation: Activation = "geglu",
        qk_norm: bool = True,
        dropout: NotAll = 0.0,
        drop_text_frame: Share | None = None,
        drop_text_story: Share | None = None,
        drop_characters: Share = 0.0,
        drop_all: Share = 0.0,
        schedule: Schedule = "cosine",
        mask_min: NotAll = 0.0,
        mask_shared: bool = False,
        label_smoothing: NotAll = 0.0,
        rarity_weight: NotNegative = 0.0,
        latents: Bound[LatentSpec],
        text: Bound[TextSpec | None],
        cast: Bound[Cast],
    ) -> None:
        super().__init__()
        if "full" in layers and text is None:
            raise ValueError("full layers attend to captions, and there is no text; use self and sv layers")
        if latents.kind != "ids":
            raise ValueError("it predicts ids of a codebook, and the tokenizer gives features")
        self.latents, self.text, self.max_frames = latents, text, max_frames
        self.layer_names = tuple(layers)
        self.characters = characters
        self.dropout, self.schedule, self.mask_shared = dropout, schedule, mask_shared
        self.latest = latest(schedule, mask_min, latents.tokens)
        self.rates = _rates(layers, drop_text_frame, drop_text_story, drop_characters, drop_all)

        self.embedding = StoryEmbedding(
            dim,
            max_frames,
            latents,
            text,
            characters=len(cast) if characters else 0,
            per_character=tokens_per_character,
        )
        self.shape = LayerShape(dim, heads, head_dim, ff_mult, activation, qk_norm, dropout)
        self.layers = nn.ModuleList(_LAYERS[name](self.shape) for name in layers)
        self.captions_norm = nn.LayerNorm(dim, bias=False) if "full" in layers else None
        self.norm = nn.LayerNorm(dim, bias=False)
        self._make_heads(dim, partial(MaskedLoss, label_smoothing=label_smoothing, rarity_weight=rarity_weight))
        self._initialise()

    def _make_heads(self, dim: int, loss: Callable[[int], MaskedLoss]) -> None:
        """What reads the image rows, and its loss: `loss` makes one for so many ids."""
        self.head = nn.Linear(dim, self.latents.vocab)
        self.masked_loss = loss(self.latents.vocab)

    def _initialise(self) -> None:
        for name, module in self.named_modules():
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=module.in_features**-0.5)
                if name.endswith((".out", ".down")):
                    # Every layer begins as the identity.
                    nn.init.zeros_(module.weight)
        nn.init.normal_(self.embedding.null, std=0.02)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    @property
    def takes_characters(self) -> bool:
        return self.characters

    @property
    def sees_frames(self) -> bool:
        return "sv" in self.layer_names

    @property
    def drops(self) -> dict[Drop, float]:
        return _declare(self.rates, self.characters)

    @classmethod
    def declared_characters(cls, options: Mapping[str, Any]) -> bool:
        return bool(options["characters"])

    @classmethod
    def declared_drops(cls, options: Mapping[str, Any]) -> dict[Drop, float]:
        names = ("layers", "drop_text_frame", "drop_text_story", "drop_characters", "drop_all")
        return _declare(_rates(*(options[name] for name in names)), bool(options["characters"]))

    def begin(self, condition: Condition) -> dict[str, Any]:
        """Embed what is told, and compute all that no decoding step changes.

        Returns:
            rows, mask: what is told, (B, T, M, D) and (B, T, M). frames: bool (B, T). Where there is any text: cross,
            the captions' keys and values for each full layer, with captions_mask and, where some frames see none,
            shown (see `Captions`).
        """
        told = self._told(condition)
        frames = condition.frame_mask
        state: dict[str, Any] = {
            "rows": told.rows,
            "mask": told.mask,
            # A story of padding alone still needs a row to look at; what it looks at is never read.
            "frames": frames | ~frames.any(1, keepdim=True),
        }
        if told.captions is not None and told.captions_mask is not None and self.captions_norm is not None:
            captions = as_autocast(self.captions_norm(told.captions))
            state["cross"] = [layer.read(captions) for layer in self.layers if isinstance(layer, FullLayer)]
            null = torch.ones_like(told.captions_mask[:, :1])
            state["captions_mask"] = torch.cat([null, told.captions_mask], 1)
            if told.shown is not None:
                state["shown"] = told.shown
        return state

    def _told(self, condition: Condition) -> Told:
        """The rows that every frame carries besides its image's; models that are told more append theirs."""
        return self.embedding.told(condition)

    def predict(self, state: dict[str, Any], x: Tensor, t: float) -> tuple[Tensor, dict[str, Any]]:
        hidden = self._hidden(state, x)
        return self.head(hidden).float().unflatten(2, self.latents.grid), state

    def _hidden(self, state: dict[str, Any], x: Tensor) -> Tensor:
        """ids (B, T, h, w) -> normed rows of the image tokens (B, T, N, D)."""
        rows, mask = self._sequence(state, x)
        for i, layer in enumerate(self.layers):
            rows = layer(
                rows,
                self._seen(state, layer, mask),
                # Only the image rows of the last layer are read.
                queries=self.latents.tokens if i + 1 == len(self.layers) else None,
                captions=self._captions(state, i),
            )
        out: Tensor = self.norm(rows)
        return out

    def _one_pass(self, condition: Condition, x: Tensor) -> Tensor:
        """`_hidden` for training, which predicts once: nothing need be kept for another step."""
        return self._hidden(self.begin(condition), x)

    def _sequence(self, state: dict[str, Any], x: Tensor) -> tuple[Tensor, Tensor]:
        """What a frame consists of, image rows first: rows (B, T, N + M, D), and which are real, (B, T, N + M)."""
        image = self.embedding.image(x)
        real = torch.ones(image.shape[:3], dtype=torch.bool, device=image.device)
        return torch.cat([image, state["rows"]], 2), torch.cat([real, state["mask"]], 2)

    def _seen(self, state: dict[str, Any], layer: SelfLayer, mask: Tensor) -> Tensor:
        return mask & state["frames"][..., None] if layer.scope == "story" else mask

    def _captions(self, state: dict[str, Any], index: int) -> Captions | None:
        if self.layer_names[index] != "full":
            return None
        if "cross" not in state:
            return Captions()
        nth = self.layer_names[:index].count("full")
        return Captions(KeyValue(*state["cross"][nth]), state["captions_mask"], state.get("shown"))

    def loss(self, batch: StoryBatch, phase: str, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Cross-entropy on masked tokens (thesis, 6.2.3), with the drops of conditions that guidance needs.

        Returns:
            loss; accuracy; and ce_25, ce_50, ce_75, ce_100: the plain cross-entropy of frames of which up to so many
            per cent were masked, where the batch had such frames.
        """
        condition = batch.condition
        if condition is None or (self.characters and condition.characters is None):
            raise TrainingError(
                f"prior '{self.use}' with characters: true was given stories without any word on characters",
                hint="Set characters_from: captions in the training step, or characters: false in the prior.",
            )
        ids = batch.latents["target"].data
        masked = draw_mask(
            self.schedule, self.latest, (*ids.shape[:2], self.latents.tokens), self.mask_shared, generator
        ).to(ids.device)
        condition = self.rates.apply(trim(condition), generator)
        with seeded_dropout(self.dropout if self.training else 0.0, generator, ids.device):
            hidden = self._one_pass(condition, ids.masked_fill(masked.view_as(ids), self.mask_id))
        counted = masked & batch.frame_mask[..., None]
        # All rows, so that the shape stays the same from step to step; see `trim`.
        read = self.head(hidden)[counted].float()
        share = masked.float().mean(-1, keepdim=True).expand_as(counted)[counted]
        return self._compare(read, ids.flatten(2)[counted], share)

    def _compare(self, read: Tensor, target: Tensor, share: Tensor) -> dict[str, Tensor]:
        """What `loss` gives, for M masked tokens: what the head read (M, ...), ids (M,), shares as in `MaskedLoss`."""
        return self.masked_loss(read, target, share)


def _rates(
    layers: Sequence[str],
    text_frame: float | None,
    text_story: float | None,
    characters: float,
    everything: float,
) -> Drops:
    story = "sv" in layers
    return Drops(
        text_frame=(0.1 if story else 0.2) if text_frame is None else text_frame,
        text_story=(0.1 if story else 0.0) if text_story is None else text_story,
        characters=characters,
        all=everything,
    )


def _declare(rates: Drops, characters: bool) -> dict[Drop, float]:
    """The rates that are above 0. Without characters, a frame without its caption is a frame without anything."""
    text = 1 - (1 - rates.text_frame) * (1 - rates.text_story)
    declared: dict[Drop, float] = {"text": text, "characters": rates.characters, "all": rates.all}
    if not characters:
        declared = {"text": text, "characters": 0.0, "all": 1 - (1 - text) * (1 - rates.all)}
    return {name: rate for name, rate in declared.items() if rate > 0}
