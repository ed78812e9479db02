"""`gst list-plugins`: what is installed, and whether it works."""

from __future__ import annotations

from typing import Any

import click

from gst import plugins
from gst.cli.output import examples, json_option, result, result_json, table


def listing() -> list[dict[str, Any]]:
    """The installed plugins, core first, one dict each.

    "state" is "ok", "broken" or "conflict"; "cause" says why it is not ok.
    """
    registry = plugins.registry()
    entries = registry.entries()
    found = []
    for plugin in registry.plugins:
        claims = [
            f"{key} is also claimed by {', '.join(f'{e.dist} {e.version}' for e in rivals if e.dist != plugin.dist)}"
            for key, rivals in registry.conflicts.items()
            if any(e.dist == plugin.dist for e in rivals)
        ]
        broken = plugin.cause is not None
        found.append(
            {
                "distribution": plugin.dist,
                "version": plugin.version,
                "origin": plugin.origin,
                "state": "broken" if broken else "conflict" if claims else "ok",
                "cause": plugin.cause if broken else "; ".join(claims) or None,
                "components": sum(entry.dist == plugin.dist for entry in entries),
            }
        )
    return found


@click.command("list-plugins", epilog=examples("gst list-plugins", "gst list-plugins --json"))
@json_option
def command(as_json: bool) -> None:
    """List the installed plugins: version, origin, and whether they work.

    A plugin is any installed distribution with an entry point in the group "gst". GST_PLUGINS=NAME,... loads only
    those that it names.
    """
    found = listing()
    if as_json:
        result_json(found)
        return
    columns = ("distribution", "version", "components", "state", "origin")
    table(columns, [[plugin[column] for column in columns] for plugin in found], right=("components",))
    for plugin in found:
        if plugin["cause"]:
            result(f"\n{plugin['distribution']} {plugin['version']} ({plugin['state']}): {plugin['cause']}")
