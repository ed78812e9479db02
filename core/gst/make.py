"""From specs to objects: what a step is given when it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from gst import plugins
from gst.component import Component
from gst.errors import OptionError, Problem
from gst.kinds import Dataset, Step, TextEncoder, Trainable
from gst.recipe.blueprint import Blueprint, built
from gst.recipe.spec import Recipe, Ref, Spec

Artifacts = Callable[[str, str], Any]
MISSING = object()
"""What `Artifacts` may give for an artifact that is not there yet: the option, or the part of it, is left out."""


class Maker:
    """Builds components of one recipe. Data sets are built once and shared, so that what they cache is too.

    Args:
        recipe: the recipe.
        artifacts: gives the artifact at (step, port).
    """

    def __init__(self, recipe: Recipe, artifacts: Artifacts, datasets: dict[str, Dataset] | None = None) -> None:
        self.recipe, self.artifacts = recipe, artifacts
        self._datasets = {} if datasets is None else datasets

    def with_artifacts(self, artifacts: Artifacts) -> Maker:
        """The same with artifacts from elsewhere; the data sets are shared."""
        return Maker(self.recipe, artifacts, self._datasets)

    def dataset(self, spec: Spec) -> Dataset:
        """The data set of a spec, built once."""
        if spec.where not in self._datasets:
            self._datasets[spec.where] = cast(Dataset, self._create(spec))
        return self._datasets[spec.where]

    def step(self, name: str) -> Step:
        """A step with all its inputs."""
        return cast(Step, self._create(self.recipe.steps[name]))

    def value(self, value: Any) -> Any:
        """An option with every reference replaced by what it leads to."""
        if isinstance(value, Ref):
            return self._ref(value)
        if isinstance(value, Spec):
            return self.component(value)
        if isinstance(value, Mapping):
            made = ((key, self.value(item)) for key, item in value.items())
            return {key: item for key, item in made if item is not MISSING}
        if isinstance(value, list | tuple):
            return type(value)(made for item in value if (made := self.value(item)) is not MISSING)
        return value

    def component(self, spec: Spec) -> Component | Blueprint:
        """What a spec stands for: a blueprint where it is to be trained or fitted, else the component itself."""
        if issubclass(spec.cls, Dataset):
            return self.dataset(spec)
        if issubclass(spec.cls, Trainable | TextEncoder):
            return Blueprint(spec.kind, spec.use, self._options(spec), spec.entry)
        return self._create(spec)

    def _ref(self, ref: Ref) -> Any:
        if ref.to == "port":
            return self.artifacts(ref.name, str(ref.port))
        spec = self.recipe.components[ref.name]
        return self.dataset(spec).split(str(ref.port)) if ref.to == "split" else self.component(spec)

    def _options(self, spec: Spec) -> dict[str, Any]:
        made = {name: self.value(value) for name, value in spec.options.items()}
        return {name: value for name, value in made.items() if value is not MISSING}

    def _create(self, spec: Spec) -> Component:
        options = self._options(spec)
        if not issubclass(spec.cls, Step):
            options = {name: built(value) for name, value in options.items()}
        try:
            return plugins.registry().create(spec.kind, spec.use, options)
        except OptionError as error:
            problems = [Problem(spec.where, problem.message) for problem in error.problems]
            raise OptionError(problems, hint=error.hint) from error
