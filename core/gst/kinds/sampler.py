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
        keeps: whether it honours `known` and `keep`. With one that cannot, and says so, stories are neither continued
            nor drawn again in part.
    """

    kind: ClassVar[str] = "sampler"
    families: ClassVar[tuple[Family, ...]]
    keeps: ClassVar[bool] = True

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
            known: latents of which some are kept as they are, to the bit, and seen while the others are drawn.
            keep: bool (B, T, h, w), which of `known` to keep; not all of a story need be, and none of some may be.
        """
