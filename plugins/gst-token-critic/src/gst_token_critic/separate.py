"""Step `separate`: a prior and a critic that were trained together, each for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from gst.errors import UsageError
from gst.kinds import Critic, MaskedPrior, Step
from gst.plugins import registry

if TYPE_CHECKING:
    from gst.context import StepContext


class Separate(Step):
    """Takes apart what was trained together: the prior, for the step that draws, and the critic alone, for the sampler.

    Args:
        critic: the trained critic with the prior in it, `$train.model`.
    """

    outputs: ClassVar[dict[str, type]] = {"prior": MaskedPrior, "critic": Critic}

    def __init__(self, *, critic: Critic) -> None:
        self.critic = critic

    def run(self, context: StepContext) -> dict[str, Any]:
        """Both. Raises `UsageError` where there is no prior in the critic."""
        critic = self.critic
        prior = critic.options.get("prior")
        if not isinstance(prior, MaskedPrior):
            raise UsageError(
                f"there is no prior in critic '{critic.use}' that could be taken out",
                hint="Only critics that are trained together with a prior hold one, such as 'character-critic'.",
            )
        alone = registry().create(critic.kind, critic.use, {**critic.options, "prior": None}, critic.bound)
        assert isinstance(alone, Critic)
        alone.learned().load_state_dict(critic.learned().state_dict())
        return {"prior": prior, "critic": alone.eval()}

    def stand_in(self, context: StepContext) -> dict[str, Any]:
        """The same, of what was not trained."""
        return self.run(context)
