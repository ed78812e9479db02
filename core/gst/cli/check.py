"""`gst check`: every problem of a recipe, without running it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from gst.cli.output import examples, json_option, result, result_json, warn
from gst.cli.run import set_option


def checked(source: str, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """What there is to say of a recipe: "valid", "problems", "warnings", "components", "steps"."""
    from gst.errors import RecipeError
    from gst.recipe.load import check_recipe

    try:
        recipe, problems = check_recipe(source, overrides)
    except RecipeError as error:
        return {"valid": False, "problems": [asdict(p) for p in error.problems], "warnings": [], "steps": []}
    return {
        "valid": not problems,
        "problems": [asdict(problem) for problem in problems],
        "warnings": list(recipe.warnings),
        "components": list(recipe.components),
        "steps": list(recipe.steps),
    }


@click.command("check", epilog=examples("gst check recipes/maskgst_cg.yaml", "gst check maskgst_cg -s seed=1 --json"))
@click.argument("recipe")
@set_option
@json_option
def command(recipe: str, overrides: Sequence[str], as_json: bool) -> int:
    """Check RECIPE and list everything that is wrong with it, with file and line. Exit code 3 if anything is."""
    from gst.errors import Problem, RecipeError

    found = checked(recipe, overrides)
    if as_json:
        result_json(found)
        return 0 if found["valid"] else 3
    for warning in found["warnings"]:
        warn(warning)
    if not found["valid"]:
        raise RecipeError([Problem(**problem) for problem in found["problems"]])
    result(f"{recipe} is valid: {len(found['components'])} components, {len(found['steps'])} steps.")
    return 0
