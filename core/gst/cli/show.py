"""`gst show`: a recipe as it is meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from gst.cli.output import examples, json_option, result, result_json, table
from gst.cli.run import set_option


def shown(source: str, overrides: Sequence[str], view: str, path: str | None = None) -> Any:
    """The recipe in a view: "merged", "filled", "diff", "why" or "graph"."""
    from gst.recipe import load_recipe, show

    if view == "diff":
        return show.change_rows(show.diff(source, overrides))
    if view == "why":
        return asdict(show.why(source, str(path), overrides))
    recipe = load_recipe(source, overrides)
    if view == "graph":
        return show.graph_rows(recipe)
    return show.filled(recipe) if view == "filled" else recipe.tree.plain()


@click.command(
    "show",
    epilog=examples(
        "gst show maskgst_cg",
        "gst show maskgst_cg --filled",
        "gst show maskgst_cg --graph",
        "gst show maskgst_cg --why seed",
    ),
)
@click.argument("recipe")
@set_option
@click.option("--filled", is_flag=True, help="With every default written out.")
@click.option(
    "--diff", is_flag=True, help="What it changes: against the recipes it extends, else against the defaults."
)
@click.option("--why", metavar="PATH", help="Where one value comes from, and what it means.")
@click.option("--graph", is_flag=True, help="The steps in the order they run, with inputs and outputs.")
@json_option
def command(
    *, recipe: str, overrides: Sequence[str], filled: bool, diff: bool, why: str | None, graph: bool, as_json: bool
) -> None:
    """Show RECIPE with bases and overrides merged in."""
    views = [name for name, on in (("filled", filled), ("diff", diff), ("why", why), ("graph", graph)) if on]
    if len(views) > 1:
        raise click.UsageError(f"--{views[0]} and --{views[1]} cannot be shown at once.")
    view = views[0] if views else "merged"
    data = shown(recipe, overrides, view, why)
    if as_json:
        result_json(data)
    elif view == "why":
        _say_why(data)
    elif view == "diff":
        table(
            ("path", "value", "before", "written in"), [[c["path"], c["value"], c["before"], c["place"]] for c in data]
        )
    elif view == "graph":
        rows = [[s["step"], s["use"], ", ".join(s["inputs"]), ", ".join(s["outputs"])] for s in data]
        table(("step", "use", "takes", "gives"), rows)
    else:
        from gst.rundir import dump_yaml

        result(dump_yaml(data).rstrip())


def _say_why(data: dict[str, Any]) -> None:
    place = f", written in {data['place']}" if data["place"] else ""
    result(f"{data['path']}: {data['value']!r}  ({data['source']}{place})")
    for where, value in data["overridden"]:
        result(f"  overrides {value!r}, written in {where}")
    if data["type"]:
        result(f"  {data['type']}, default {data['default']!r}" + (f": {data['doc']}" if data["doc"] else ""))
