"""`gst recipes`: the recipes that come with gst and its plugins."""

from __future__ import annotations

from typing import Any

import click

from gst.cli.output import examples, json_option, result_json, table


def listing() -> list[dict[str, Any]]:
    """Name, distribution, summary and path of every built-in recipe."""
    from gst import plugins
    from gst.recipe.locate import built_in

    return [
        {"name": r.name, "distribution": r.dist, "summary": r.summary, "path": str(r.path)}
        for r in built_in(plugins.registry())
    ]


@click.command("recipes", epilog=examples("gst recipes", "gst recipes --json"))
@json_option
def command(as_json: bool) -> None:
    """List the recipes that come with gst and its plugins. `gst run NAME` runs one, `gst cp NAME DEST` copies it."""
    found = listing()
    if as_json:
        result_json(found)
    else:
        table(("name", "distribution", "summary"), [[r["name"], r["distribution"], r["summary"]] for r in found])
