"""Components that are not built yet: a step builds them when it knows what they are bound to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gst import plugins, schema
from gst.component import Component
from gst.registry import Entry


@dataclass(frozen=True)
class Blueprint:
    """An untrained component with its options.

    Args:
        kind: its kind.
        name: the name it is registered under.
        options: its options; components that are to be trained stand in it as blueprints, others as objects.
        entry: the entry of the registry.
    """

    kind: str
    name: str
    options: Mapping[str, Any]
    entry: Entry = field(repr=False)

    @property
    def cls(self) -> type[Component]:
        """The class it builds."""
        return self.entry.load()

    def build(self, **bound: Any) -> Component:
        """Build it, and the blueprints inside its options; each takes from `bound` what its class declares.

        Raises:
            OptionError: an option is out of range, or a bound argument is missing.
        """
        options = {name: _build(value, bound) for name, value in self.options.items()}
        wanted = {argument.name for argument in schema.signature_of(self.cls).bound}
        known = {name: value for name, value in bound.items() if name in wanted}
        return plugins.registry().create(self.kind, self.name, options, known)


def _build(value: Any, bound: Mapping[str, Any]) -> Any:
    """`value` with every blueprint inside built."""
    if isinstance(value, Blueprint):
        return value.build(**bound)
    if isinstance(value, Mapping):
        return {key: _build(item, bound) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_build(item, bound) for item in value)
    return value


def built(value: Any) -> Any:
    """`value` with every blueprint inside built, which must need nothing bound."""
    return _build(value, {})
