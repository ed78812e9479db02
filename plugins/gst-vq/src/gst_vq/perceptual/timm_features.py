"""A perceptual loss on features of a trained network of timm."""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from gst.errors import DataError, OptionError, Problem
from gst_vq.perceptual.features import feature_distance


class TimmFeatures:
    """LPIPS without its learned weights, on any timm model that gives features.

    Args:
        model: name of the model, such as "vgg16.tv_in1k"; weights are downloaded once where `weights` is None.
        weights: a file of weights for that model (safetensors, or a state dict that torch reads with weights_only).
        layers: which of the model's features are compared; None for all. VGG-16's 0 to 4 are LPIPS's.
    """

    def __init__(self, model: str, weights: Path | None, layers: tuple[int, ...] | None) -> None:
        import timm

        if weights is not None and not weights.is_file():
            raise DataError(f"there are no weights for '{model}' at {weights}")
        if not timm.is_model(model):
            near = timm.list_models(f"*{model.split('.', maxsplit=1)[0]}*")[:5]
            hint = f"Near names: {', '.join(near)}." if near else None
            raise OptionError([Problem("perceptual_model", f"timm has no model '{model}'")], hint=hint)
        source: dict[str, Any] = {} if weights is None else {"pretrained_cfg_overlay": {"file": str(weights)}}
        try:
            self._net = timm.create_model(model, pretrained=True, features_only=True, out_indices=layers, **source)
        except (OSError, RuntimeError, UnpicklingError, SafetensorError) as error:
            place = "be downloaded" if weights is None else f"be read from {weights}"
            raise DataError(
                f"the weights of '{model}' cannot {place}: {error}",
                hint="Give a file of them as perceptual_weights, or use perceptual: pyramid or random.",
            ) from error
        self._net.eval().requires_grad_(False)
        config: dict[str, Any] = self._net.default_cfg  # type: ignore[assignment]
        self._mean = torch.tensor(config["mean"])[:, None, None]
        self._std = torch.tensor(config["std"])[:, None, None]

    def __call__(self, frames: Tensor, targets: Tensor) -> Tensor:
        """frames, targets: (N, 3, H, W) in [-1, 1] -> a scalar."""
        self._net.to(frames.device)
        with torch.no_grad():
            wanted = self._features(targets)
        return feature_distance(self._features(frames), wanted)

    def _features(self, x: Tensor) -> list[Tensor]:
        features: list[Tensor] = self._net(((x + 1.0) / 2.0 - self._mean.to(x)) / self._std.to(x))
        return features
