"""`gst info`: what a component is, its options, and where its code is."""

from __future__ import annotations

import inspect
from typing import Any

import click

from gst import plugins
from gst.cli.output import examples, json_option, result, result_json
from gst.errors import UsageError
from gst.registry import KIND_NAMES, Entry


def details(name: str) -> dict[str, Any]:
    """Everything that is known of one component.

    Args:
        name: "kind/name", or a name alone where only one kind has it.
    """
    entry = _find(name)
    cls = entry.load()
    from gst import schema

    signature = schema.signature_of(cls)
    lines = inspect.getsourcelines(cls)
    found: dict[str, Any] = {
        "kind": entry.kind,
        "name": entry.name,
        "aliases": list(entry.aliases),
        "summary": entry.summary,
        "about": inspect.cleandoc(cls.__doc__ or "").split("\n\nArgs:")[0].removesuffix("Args:").strip(),
        "distribution": entry.dist,
        "version": entry.version,
        "origin": entry.origin,
        "source": f"{inspect.getsourcefile(cls)}:{lines[1]}",
        "options": [
            {
                "name": option.name,
                "type": schema.type_name(option.annotation),
                "required": option.required,
                "default": option.default,
                "doc": option.doc,
            }
            for option in signature.options
        ],
        "bound": [
            {"name": argument.name, "type": schema.type_name(argument.annotation), "doc": argument.doc}
            for argument in signature.bound
        ],
        "schema": schema.json_schema(cls),
    }
    if entry.kind == "step":
        found["outputs"] = {port: schema.reference_name(made) for port, made in cls.outputs.items()}  # type: ignore[attr-defined]
    return found


def _find(name: str) -> Entry:
    registry = plugins.registry()
    kind, slash, bare = name.partition("/")
    if slash:
        return registry.get(kind, bare)
    found = [entry for entry in registry.entries() if name in (entry.name, *entry.aliases)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"'{name}' is {' and '.join(entry.key for entry in found)}.", hint="Name the kind too.")
    from gst.errors import PluginError
    from gst.registry import suggest

    keys = {entry.name: entry.key for entry in registry.entries()}
    raise PluginError(
        f"There is no component '{name}'.{suggest(name, list(keys))}",
        hint=f"Write KIND/NAME; gst list shows all. Kinds: {', '.join(KIND_NAMES)}.",
    )


@click.command("info", epilog=examples("gst info step/train", "gst info step/train --json"))
@click.argument("name", metavar="KIND/NAME")
@json_option
def command(name: str, as_json: bool) -> None:
    """Show what a component is, which options it takes, and where its code is."""
    found = details(name)
    if as_json:
        result_json(found)
        return
    from gst.explain import show

    result(f"{found['kind']}/{found['name']}  {found['summary']}")
    result(f"  {found['distribution']} {found['version']} ({found['origin']})")
    result(f"  {found['source']}")
    if found["about"]:
        result("\n" + found["about"])
    if found["options"]:
        result("\nOptions:")
    for option in found["options"]:
        default = "required" if option["required"] else f"default {show(option['default'])}"
        _item(f"{option['name']}: {option['type']}  ({default})", option["doc"])
    if found["bound"]:
        result("\nFilled in by steps:")
    for argument in found["bound"]:
        _item(f"{argument['name']}: {argument['type']}", argument["doc"])
    if "outputs" in found:
        result("\nOutputs:")
        for port, what in found["outputs"].items():
            _item(f".{port}: {what}", "")


def _item(head: str, doc: str) -> None:
    result(f"  {head}")
    if doc:
        result(click.wrap_text(doc, 100, initial_indent="      ", subsequent_indent="      "))
