"""`gst list`: what recipes can use."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from gst import plugins
from gst.cli.output import examples, json_option, result_json, say, table
from gst.errors import UsageError
from gst.registry import KIND_NAMES, suggest


def listing(kind: str | None = None, word: str | None = None) -> list[dict[str, Any]]:
    """Registered components, one dict each.

    Args:
        kind: only this kind.
        word: only those with this word in their name, summary, alias or distribution.
    """
    if kind is not None and kind not in KIND_NAMES:
        raise UsageError(
            f"There is no kind '{kind}'.{suggest(kind, KIND_NAMES)}", hint=f"Kinds: {', '.join(KIND_NAMES)}."
        )
    found = [asdict(entry) for entry in plugins.registry().entries(kind)]
    if word is None:
        return found
    fields = ("kind", "name", "summary", "dist", "aliases")
    return [entry for entry in found if any(word.lower() in str(entry[field]).lower() for field in fields)]


@click.command("list", epilog=examples("gst list", "gst list step", "gst list -q train", "gst list step --json"))
@click.argument("kind", required=False)
@click.option("-q", "--query", metavar="WORD", help="Only what has this word in its name, summary or distribution.")
@json_option
def command(kind: str | None, query: str | None, as_json: bool) -> None:
    """List the components that recipes can use, of one KIND or of all."""
    found = listing(kind, query)
    if as_json:
        result_json(found)
        return
    if not found:
        say("Nothing is registered that fits. gst list-plugins shows which plugins are installed.")
        return
    rows = [(e["kind"], ", ".join([e["name"], *e["aliases"]]), e["dist"], e["summary"]) for e in found]
    table(("kind", "name", "distribution", "summary"), rows)
