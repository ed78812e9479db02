"""Components for Python users, by kind and name."""

from __future__ import annotations

from typing import Any

from gst import plugins, schema
from gst.component import Component


def build(kind: str, name: str, /, **options: Any) -> Component:
    """Build one component.

    Args:
        kind: its kind, such as "prior".
        name: its name, as `gst list` shows it.
        options: its options, as `gst info KIND/NAME` shows them; other components as objects. What a step would fill in
            (latents, text, cast) is given as a keyword too.

    Raises:
        PluginError: nothing of that name is registered.
        OptionError: an option is unknown, missing or of the wrong type.
    """
    registry = plugins.registry()
    names = {argument.name for argument in schema.signature_of(registry.get(kind, name).load()).bound}
    bound = {key: value for key, value in options.items() if key in names}
    return registry.create(kind, name, {k: v for k, v in options.items() if k not in names}, bound)
