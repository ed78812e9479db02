import torch

from gst.kinds import Branch, Guidance, Sampler
from gst.latents import Latents


class ToyGuidance(Guidance):
    """Asks for what it is told to ask for.

    Args:
        scale: weight.
        ask: what the prior must do without.
        characters: whether the prior must take characters.
    """

    def __init__(self, *, scale: float = 1.0, ask: list[str] = [], characters: bool = False) -> None:  # noqa: B006
        self.scale, self.needs, self.needs_characters = scale, tuple(ask), characters

    def branches(self, condition, progress):
        return [Branch("text", 1.0, condition)]


class ToySampler(Sampler):
    """Zeros.

    Args:
        steps: how many.
        guidance: or none.
    """

    families = ("masked",)
    keeps = False

    def __init__(self, *, steps: int = 2, guidance: Guidance | None = None) -> None:
        self.steps, self.guidance = steps, guidance

    def sample(self, prior, condition, noise, *, known=None, keep=None):
        shape = (*condition.frame_mask.shape, 1, 1)
        return Latents(torch.zeros(shape, dtype=torch.int64), prior.latents)
