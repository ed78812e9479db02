"""Steps: the nodes of a recipe's graph."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from gst.component import Component

if TYPE_CHECKING:
    from gst.context import StepContext


@dataclass(frozen=True)
class Estimate:
    """What a step will need.

    Args:
        seconds: wall-clock time.
        memory: bytes at the peak, of the process or of the accelerator.
        disk: bytes that its outputs and checkpoints take.
    """

    seconds: float | None = None
    memory: int | None = None
    disk: int | None = None


class Step(Component):
    """A node of the graph. Its options are its `__init__` arguments; those typed as a component, a data set's split or
    an artifact are its inputs.

    A port that has the name of an option which takes a component hands on that very component, trained: `train` takes
    `model` and gives `model`. `gst check` follows it to know of which family `$train.model` is. A port of another name
    may have that of an option inside such a component, and then hands on what stands there.

    Attributes:
        outputs: port name -> artifact class, or the kind of component it gives.
        cached: False for steps that are cheap and must always run (the report).
        neutral: options that change no output (how often to save, to show); they are left out of the fingerprint.
    """

    kind: ClassVar[str] = "step"
    outputs: ClassVar[dict[str, type]]
    cached: ClassVar[bool] = True
    neutral: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def run(self, context: StepContext) -> dict[str, Any]:
        """Do the work. Returns one artifact a port."""

    def probe(self, context: StepContext) -> Estimate | None:
        """What `run` will need, measured in a few seconds on the inputs (or on stand-ins for them). None: not known."""
        return None

    def stand_in(self, context: StepContext) -> dict[str, Any] | None:
        """Outputs of the right shapes, made in about a second without learning anything (an untrained model, a few
        tokens), on which the steps after this one are probed before the run. None: those steps are not probed."""
        return None

    def refresh(self, context: StepContext) -> None:
        """Called on steps that are not cached whenever there is something new to show; `run` comes at the end."""
