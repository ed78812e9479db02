"""What a run took: minutes of training and of drawing, and how large its prior is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from torch import nn

from gst.graph import Graph
from gst.kinds import Step, Trainable
from gst.recipe.spec import Recipe
from gst.run import RunResult
from gst.rundir import STATE, RunDir


@dataclass(frozen=True)
class Cost:
    """Seconds are those of when a step was made, also where it was taken from the store later.

    Args:
        training: seconds for everything trained that draws; None where a step's time is not known.
        drawing: seconds for the pictures.
        parameters: of the prior; None where nothing of that name draws.
    """

    training: float | None = None
    drawing: float | None = None
    parameters: int | None = None


def cost_of(run: RunResult) -> Cost:
    """What a finished run took. Nothing is known of a recipe without an output."""
    output = run.recipe.output
    if output is None:
        return Cost()
    state = RunDir(run.dir).read(STATE)["steps"]
    training, drawing = _steps(run.recipe, output.name)

    def took(names: Iterable[str]) -> float | None:
        found = [state.get(name, {}).get("seconds") for name in names]
        return None if None in found else sum(map(float, found))

    options = run.recipe.steps[output.name].options
    prior = run.option(output.name, "prior") if "prior" in options else None
    size = sum(p.numel() for p in prior.parameters()) if isinstance(prior, nn.Module) else None
    return Cost(took(training), took(drawing), size)


def mean_cost(costs: Sequence[Cost]) -> Cost:
    """Of the runs of one row: the mean of the seconds."""

    def mean(values: Sequence[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return sum(known) / len(known) if known and len(known) == len(values) else None

    return Cost(mean([cost.training for cost in costs]), mean([cost.drawing for cost in costs]), costs[0].parameters)


def _steps(recipe: Recipe, output: str) -> tuple[list[str], list[str]]:
    """Steps that train what draws, and steps that draw: the output's, and those of its kind before it."""
    before = Graph(recipe).upstream(output)

    def trains(name: str) -> bool:
        ports = cast(type[Step], recipe.steps[name].cls).outputs.values()
        return any(issubclass(port, Trainable) for port in ports)

    use = recipe.steps[output].entry.key
    draws = [name for name in before if recipe.steps[name].entry.key == use]
    return [name for name in before if trains(name)], [*draws, output]
