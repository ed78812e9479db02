"""References: `$name`, `$step.port`, `$data.split`."""

from __future__ import annotations

import re

from gst.component import Component
from gst.kinds import Dataset, Step, StorySet
from gst.recipe.names import COMPONENT_KINDS, Names
from gst.recipe.spec import Ref
from gst.registry import suggest

_REFERENCE = re.compile(r"\$([A-Za-z][A-Za-z0-9_-]*)(?:\.([A-Za-z0-9_-]+))?")


class References:
    """Finds out what references lead to."""

    def __init__(self, names: Names) -> None:
        self.names = names

    def ref(self, where: str, text: str) -> Ref | None:
        """What `text` leads to; None where it leads nowhere, which is reported."""
        match = _REFERENCE.fullmatch(text)
        if match is None:
            self.names.report(where, f"'{text}' is no reference; those are $name, $step.port and $data.split")
            return None
        name, port = match.groups()
        if name not in self.names.nodes:
            known = ", ".join(f"${n}" for n in self.names.nodes)
            self.names.report(where, f"there is no '{name}'.{suggest(name, list(self.names.nodes))} There are {known}")
            return None
        cls = self.names.class_of(name)
        if cls is None:
            return None  # its own problem is reported where it stands
        if not issubclass(cls, Step):
            return self._component(where, name, port, cls)
        if port is None:
            ports = " or ".join(f"${name}.{p}" for p in cls.outputs)
            self.names.report(where, f"${name} is a step; refer to what it gives: {ports or 'nothing'}")
            return None
        if port not in cls.outputs:
            ports = ", ".join(f"${name}.{p}" for p in cls.outputs) or "nothing"
            self.names.report(
                where, f"{name} does not give '{port}'.{suggest(port, list(cls.outputs))} It gives {ports}"
            )
            return None
        given = self._trained(name, port, cls.outputs[port], ())
        return None if given is None else Ref(name, port, "port", given)

    def _component(self, where: str, name: str, port: str | None, cls: type[Component]) -> Ref | None:
        if port is None:
            return Ref(name, None, "component", cls)
        if not issubclass(cls, Dataset):
            self.names.report(
                where, f"'.{port}' cannot be: ${name} is a {cls.kind}; data sets have splits, steps have ports"
            )
            return None
        return Ref(name, port, "split", StorySet)

    def _trained(self, name: str, port: str, declared: type, seen: tuple[str, ...]) -> type | None:
        """Class of what a port gives: where it hands on a component that it trained, that component's class.

        None where that component cannot be resolved, which is reported at its own place.
        """
        value = self.names.nodes[name][1].mapping.get(port)
        if not issubclass(declared, Component) or value is None or name in seen:
            return declared
        if "use" in value.mapping:
            inline = self.names.use(f"steps.{name}.{port}", value, COMPONENT_KINDS)
            return None if inline is None else inline[1]
        match = _REFERENCE.fullmatch(value.value) if isinstance(value.value, str) else None
        if match is None or match[1] not in self.names.nodes:
            return None
        cls = self.names.class_of(match[1])
        if cls is None or not issubclass(cls, Step):
            return cls
        return (
            self._trained(match[1], match[2], cls.outputs[match[2]], (*seen, name)) if match[2] in cls.outputs else None
        )
