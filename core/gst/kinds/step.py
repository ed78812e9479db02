"""Steps: the nodes of a recipe's graph."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from gst.component import Component

if TYPE_CHECKING:
    from gst.run import StepContext


class Step(Component):
    """A node of the graph. Its options are its `__init__` arguments; those typed as a component, a data set's split or
    an artifact are its inputs.

    Attributes:
        outputs: port name -> artifact class.
        cached: False for steps that are cheap and must always run (the report).
    """

    kind: ClassVar[str] = "step"
    outputs: ClassVar[dict[str, type]]
    cached: ClassVar[bool] = True

    @abstractmethod
    def run(self, context: StepContext) -> dict[str, Any]:
        """Do the work. Returns one artifact a port."""
