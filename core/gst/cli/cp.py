"""`gst cp`: a recipe of one's own to edit."""

from __future__ import annotations

from pathlib import Path

import click

from gst.cli.output import examples, result
from gst.errors import UsageError


def copy(name: str, dest: Path) -> Path:
    """Copy a recipe, comments and all; bases that it extends are named so that they are found from anywhere.

    Raises:
        UsageError: there is no such recipe, or `dest` is there already.
        StoreError: `dest` cannot be written.
    """
    from gst import plugins
    from gst.disk import writing
    from gst.recipe.extends import bases_of
    from gst.recipe.loader import read_file
    from gst.recipe.locate import built_in, find_base, find_recipe

    registry = plugins.registry()
    source = find_recipe(name, registry)
    target = dest / source.name if dest.is_dir() else dest
    if target.exists():
        raise UsageError(f"{target} is there already", hint="Name another file.")
    lines = source.read_text(encoding="utf-8").splitlines(keepends=True)
    known = {recipe.path.resolve(): recipe.name for recipe in built_in(registry)}
    for base in bases_of(read_file(source)):
        path = find_base(str(base.value), source.parent, registry).resolve()
        assert base.line is not None
        lines[base.line - 1] = lines[base.line - 1].replace(str(base.value), known.get(path, str(path)))
    with writing(target.parent):
        target.write_text("".join(lines), encoding="utf-8")
    return target


@click.command("cp", epilog=examples("gst cp maskgst_cg mine.yaml"))
@click.argument("name")
@click.argument("dest", type=click.Path(path_type=Path))
def command(name: str, dest: Path) -> None:
    """Copy the recipe NAME to the file or folder DEST."""
    result(str(copy(name, dest)))
