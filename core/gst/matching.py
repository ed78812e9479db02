"""Which samplers, with which guidance, can draw from which priors."""

from __future__ import annotations

from gst.errors import UsageError
from gst.kinds import Prior, Sampler


def check_sampler(prior: Prior, sampler: Sampler) -> None:
    """Raise `UsageError` where this sampler, with its guidance, cannot draw from this prior."""
    if prior.family not in sampler.families:
        raise UsageError(
            f"sampler '{sampler.use}' draws from {' or '.join(sampler.families)} priors; "
            f"prior '{prior.use}' is {prior.family}",
            hint="`gst list sampler` shows the others.",
        )
    guidance = sampler.options.get("guidance")
    if guidance is None:
        return
    if guidance.needs_characters and not prior.takes_characters:
        raise UsageError(f"guidance '{guidance.use}' needs characters; prior '{prior.use}' was built without them")
    learned = [drop for drop, rate in prior.drops.items() if rate]
    for drop in guidance.needs:
        if drop not in learned:
            raise UsageError(
                f"guidance '{guidance.use}' asks prior '{prior.use}' to do without {drop}, which it never learned",
                hint=f"It learned to do without: {', '.join(learned) or 'nothing'}.",
            )
