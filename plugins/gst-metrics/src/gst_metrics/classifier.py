"""The network that metrics look at pictures through: who is in a frame, where they stand, and which place it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import timm
import torch
import torch.nn.functional as F
from pydantic import NonNegativeInt
from torch import Tensor, nn

from gst.batch import StoryBatch
from gst.cast import Cast
from gst.component import Bound
from gst.errors import DataError
from gst.kinds import Phase, Scorer
from gst.registry import suggest

_COLUMNS = 4
# A plain 7 x 7 stem of 64 channels in place of three narrow convolutions: several times faster on a CPU, whose
# matrix units want channels in multiples of 64.
_FAST = {"resnet10t": {"stem_type": ""}}


class CharacterClassifier(Scorer):
    """A timm backbone cut at one of its stages, mean-pooled to features, with a linear head for each question.

    Characters: independent yes or no each (binary cross-entropy), as in the field's Inception classifiers (StoryGAN,
    VLC-StoryGAN). A character is small, so the head looks at every place of the feature map, and its logit is the
    logarithm of their mean exponential, a smooth maximum (Pinheiro & Collobert 2015, with r = 1): on CoDraw it needs
    about half the steps that mean-pooled features need. Where the data set tells more in its extras "place" (T,) and
    "position" (T, C; -1 for who is absent), a softmax over places, and for each character a softmax over absent and the
    positions, read from the columns of the feature map. The loss is the negative log-likelihood of all labels of a
    frame, in nats, as if they were independent.

    It is meant to be trained by the step `train` with `unit: frame` on real training frames.

    Args:
        model: name of a timm backbone that can give feature maps.
        model_options: further arguments of timm's `create_model`. By default none, except that a `resnet10t` without
            pretrained weights gets a plain stem, which is several times faster on a CPU.
        weights: pretrained weights to start from: "hub" for timm's own (a download), or a local file. By default it
            starts from nothing.
        stage: which feature map of the backbone is used, from 0; the stride doubles with each (3 is stride 16).
        places: number of places of the data set; 0 for no such question.
        positions: number of positions of the data set, without "absent"; 0 for no such question.
        cast: whom it knows; the order of its answers.
        frame_size: (H, W) of the frames it is trained on, and the only size it reads.
    """

    def __init__(
        self,
        *,
        model: str = "resnet10t",
        model_options: dict[str, Any] | None = None,
        weights: str | None = None,
        stage: NonNegativeInt = 3,
        places: NonNegativeInt = 0,
        positions: NonNegativeInt = 0,
        cast: Bound[Cast],
        frame_size: Bound[tuple[int, int]],
    ) -> None:
        super().__init__()
        if model_options is None:
            model_options = _FAST.get(model, {}) if weights is None else {}
        if weights not in (None, "hub") and not Path(weights).is_file():
            raise ValueError(f"weights: there is no file {weights}")
        self.model, self.model_options, self.stage, self.weights = model, model_options, stage, weights
        self.cast, self.frame_size, self.places, self.positions = cast, tuple(frame_size), places, positions
        self.resize = f"none ({_by(self.frame_size)})"
        self.backbone = self._backbone(pretrained=False)
        width = self.backbone.feature_info.channels()[-1]
        self.head = nn.ModuleDict({"characters": nn.Linear(width, len(cast))})
        if places:
            self.head["place"] = nn.Linear(width, places)
        if positions:
            self.head["position"] = nn.Linear(width * _COLUMNS, len(cast) * (positions + 1))
        config = self.backbone.pretrained_cfg if weights is not None else {}
        self.register_buffer("mean", _channels(config.get("mean", (0.5, 0.5, 0.5))))
        self.register_buffer("std", _channels(config.get("std", (0.5, 0.5, 0.5))))
        self.to(memory_format=torch.channels_last)
        self._starts_from_weights = weights is not None

    def _backbone(self, *, pretrained: bool) -> Any:
        local = {"pretrained_cfg_overlay": {"file": self.weights}} if self.weights not in (None, "hub") else {}
        arguments = {"features_only": True, "out_indices": (self.stage,), **self.model_options}
        try:
            return timm.create_model(self.model, pretrained=pretrained, **arguments, **(local if pretrained else {}))
        except (RuntimeError, TypeError, IndexError, AssertionError, OSError) as error:
            known = timm.list_models()
            near = "" if self.model in known else suggest(self.model, known)
            raise ValueError(f"timm cannot build '{self.model}' (stage {self.stage}): {error}.{near}") from error

    def phases(self) -> Sequence[Phase]:
        """One phase. Reads the pretrained weights first, so that loading a trained classifier never needs them."""
        if self._starts_from_weights:
            self.backbone.load_state_dict(self._backbone(pretrained=True).state_dict())
            self._starts_from_weights = False
        return super().phases()

    def load_state(self, folder: Path) -> None:
        super().load_state(folder)
        self._starts_from_weights = False

    def score(self, frames: Tensor) -> dict[str, Tensor]:
        """frames (N, 3, H, W) in [-1, 1] -> "features" (N, D), and the logits of every head."""
        return self.answers(self.feature_map(frames))

    def feature_map(self, frames: Tensor) -> Tensor:
        """frames (N, 3, H, W) in [-1, 1] -> the feature map (N, D, h, w) that all heads read."""
        if frames.shape[-2:] != self.frame_size:
            raise DataError(
                f"the classifier was trained on frames of {_by(self.frame_size)} pixels, and these are of "
                f"{_by(frames.shape[-2:])}"
            )
        pixels = ((frames + 1) / 2 - self.mean) / self.std
        grid: Tensor = self.backbone(pixels.contiguous(memory_format=torch.channels_last))[-1].float()
        return grid

    def answers(self, grid: Tensor) -> dict[str, Tensor]:
        """What `score` gives, from the feature map (N, D, h, w)."""
        everywhere = self.head["characters"](grid.permute(0, 2, 3, 1)).float().flatten(1, 2)
        scores = {
            "features": grid.mean((2, 3)),
            "characters": everywhere.logsumexp(1) - math.log(everywhere.shape[1]),
        }
        if "place" in self.head:
            scores["place"] = self.head["place"](scores["features"]).float()
        if "position" in self.head:
            columns = F.adaptive_avg_pool2d(grid, (1, _COLUMNS)).flatten(1)
            scores["position"] = self.head["position"](columns).float().unflatten(1, (len(self.cast), -1))
        return scores

    def loss(self, batch: StoryBatch, phase: str, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        if batch.frames is None or batch.characters is None:
            raise DataError("a character classifier learns from frames with character labels; this data has none")
        valid = batch.frame_mask
        scores, present = self.score(batch.frames[valid]), batch.characters[valid]
        terms = {
            "characters": F.binary_cross_entropy_with_logits(
                scores["characters"], present.float(), reduction="none"
            ).sum(1)
        }
        if "place" in scores:
            terms["place"] = F.cross_entropy(scores["place"], self._truth(batch, "place"), reduction="none")
        if "position" in scores:
            truth = self._truth(batch, "position") + 1
            terms["position"] = F.cross_entropy(scores["position"].transpose(1, 2), truth, reduction="none").sum(1)
        means = {name: term.mean() for name, term in terms.items()}
        drawn = scores["characters"].detach() > 0
        hits = 2 * (drawn & present).sum()
        f1 = 100.0 * hits / (drawn.sum() + present.sum()).clamp_min(1)
        return {"loss": torch.stack(list(means.values())).sum(), **means, "char_f1": f1}

    def _truth(self, batch: StoryBatch, name: str) -> Tensor:
        if name not in batch.extras:
            there = ", ".join(sorted(batch.extras)) or "none"
            raise DataError(
                f"the classifier is to learn '{name}', which this data set does not tell (its extras: {there})",
                hint=f"Leave out the option {name}s.",
            )
        return batch.extras[name][batch.frame_mask].long()


def _channels(values: Sequence[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)[:, None, None]


def _by(size: Sequence[int]) -> str:
    return "x".join(str(n) for n in size)
