"""The loss on other data, at fixed examples and with fixed randomness."""

from __future__ import annotations

import torch

from gst.kinds.trainable import Trainable
from gst.training.source import StorySource

BATCHES = 8


class Validation:
    """Means of what the first phase's `loss` gives, over the first eight batches of a source (or all it has).

    Args:
        model: in eval mode when this is called.
        source: the other data.
    """

    def __init__(self, model: Trainable, source: StorySource) -> None:
        self.model, self.source = model, source
        self.batches = max(1, min(BATCHES, source.stories // source.batch_size))

    def __call__(self, generator: torch.Generator) -> dict[str, float]:
        phase = self.model.phases()[0].name
        sums: dict[str, float] = {}
        counts: dict[str, int] = {}
        for number in range(self.batches):
            batch = self.source.batch(number).to(generator.device)
            for name, value in self.model.loss(batch, phase, 0, generator).items():
                sums[name] = sums.get(name, 0.0) + float(value)
                counts[name] = counts.get(name, 0) + 1
        return {name: total / counts[name] for name, total in sums.items()}
