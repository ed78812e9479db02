"""What every component shares: the options it was built with, what it is bound to, and how its state is saved.

A component's options are the typed keyword arguments of its `__init__`; the registry makes the schema from that
signature. What it must know of another component (latent spec, text spec, cast) is a keyword-only argument annotated
`Bound[...]`: steps fill it, recipes cannot. `**options` stands for all that the class it inherits from takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

T = TypeVar("T")


class _BoundMarker:
    """Marks an argument that steps fill and recipes cannot set."""

    def __repr__(self) -> str:
        return "Bound"


BOUND = _BoundMarker()
Bound = Annotated[T, BOUND]


class Component:
    """Base of all kinds. The registry fills the attributes below when it builds a component.

    Attributes:
        kind: the kind it belongs to, such as "prior".
        use: the name it is registered under.
        options: the validated options, defaults included; other components stand in it as objects.
        bound: what its bound arguments were filled with.
    """

    kind: ClassVar[str]
    use: str = ""
    options: Mapping[str, Any] = {}
    bound: Mapping[str, Any] = {}

    @classmethod
    def identity(cls, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """The options as fingerprints take them; references stand in it unresolved. A component that reads files puts
        what they hold in the place of where they lie, and leaves out what changes no result (a time limit).

        Raises:
            DataError: a file is missing.
        """
        return options

    def save_state(self, folder: Path) -> None:
        """Write what was learned into `folder` (exists, empty). Options are saved by the caller."""

    def load_state(self, folder: Path) -> None:
        """Read what `save_state` wrote. Raises `CheckpointError` where it does not fit this component."""

    def save_sources(self, folder: Path) -> None:
        """Copy into `folder`, beside what `save_state` wrote, what that only names (pre-trained weights that lie
        elsewhere), so that `load_state` needs nothing else. Called for what is handed out."""
