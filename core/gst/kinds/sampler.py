"""Samplers: draw latents from a prior."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor

from gst.component import Component
from gst.condition import Condition
from gst.kinds.prior import Family, Prior
from gst.latents import Latents
from gst.noise import Noise


class Sampler(Component):
    """Draws latents from a prior of a family it accepts.

    Attributes:
        families: the families of prior it can draw from; `gst check` refuses others.
    """

    kind: ClassVar[str] = "sampler"
    families: ClassVar[tuple[Family, ...]]

    @abstractmethod
    def sample(
        self,
        prior: Prior,
        condition: Condition,
        noise: Noise,
        *,
        known: Latents | None = None,
        keep: Tensor | None = None,
    ) -> Latents:
        """Latents of the B stories of `condition`, on its device.

        Args:
            prior: in eval mode.
            condition: what the model is told.
            noise: the only source of randomness.
            known: latents of which some are kept as they are.
            keep: bool (B, T, h, w), which of `known` to keep.
        """
