"""Which samplers, with which guidance, can draw from which priors."""

from __future__ import annotations

from collections.abc import Iterable

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


def check_keeps(sampler: Sampler) -> None:
    """Raise `UsageError` where this sampler cannot keep what is there, so that nothing can be continued or redrawn."""
    if not sampler.keeps:
        raise UsageError(
            f"sampler '{sampler.use}' cannot keep parts of a story: nothing can be continued or drawn again with it",
            hint="Samplers of masked priors can.",
        )


def check_given(prior: Prior, names: Iterable[str], *, complete: bool = False, option: str = "given") -> None:
    """Raise `UsageError` where these are not the other stages' latents that this prior draws on.

    Args:
        prior: the prior.
        names: what it is given.
        complete: whether all that it needs must be there.
        option: of a step, where they are to be given.
    """
    names = tuple(names)
    takes = ", ".join(prior.takes_given) or "nothing"
    for name in names:
        if name not in prior.takes_given:
            raise UsageError(
                f"prior '{prior.use}' is given '{name}', of which it knows nothing", hint=f"It takes: {takes}."
            )
    for name in prior.takes_given:
        if complete and name not in names:
            raise UsageError(
                f"prior '{prior.use}' draws on another stage's latents, '{name}', which it is not given",
                hint=f"Give them where it is trained and where it draws, as `{option}: {{{name}: $step.tokens}}`.",
            )
