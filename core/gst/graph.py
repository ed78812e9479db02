"""The steps of a recipe in the order they run, and the fingerprint of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any, Protocol

from gst.component import Component
from gst.errors import UsageError
from gst.fingerprint import CORE_FORMAT, canonical, code_hash, digest
from gst.kinds import Dataset
from gst.recipe.check import deep_parts
from gst.recipe.spec import Recipe, Ref, Spec
from gst.registry import suggest


@dataclass(frozen=True)
class Edge:
    """One input of a step.

    Args:
        option: path of the option, such as "pictures.model".
        ref: what it refers to.
    """

    option: str
    ref: Ref


class Datasets(Protocol):
    """Gives the built data set of a spec."""

    def dataset(self, spec: Spec) -> Dataset: ...


class Graph:
    """The steps of one recipe.

    Attributes:
        recipe: where they come from.
        order: names of the steps, each after those it needs, otherwise as written.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self._needs = {name: self._upstream(spec) for name, spec in recipe.steps.items()}
        sorter = TopologicalSorter(self._needs)
        sorter.prepare()
        position = {name: i for i, name in enumerate(recipe.steps)}
        order: list[str] = []
        ready: list[str] = []
        while sorter.is_active():
            ready += sorter.get_ready()
            ready.sort(key=position.__getitem__)
            order.append(ready.pop(0))
            sorter.done(order[-1])
        self.order = tuple(order)

    def needs(self, name: str) -> tuple[str, ...]:
        """Steps whose outputs a step takes, also through the components it uses."""
        return self._needs[name]

    def upstream(self, name: str) -> set[str]:
        """All steps before this one, directly or not."""
        return {n for direct in self._needs[name] for n in (direct, *self.upstream(direct))}

    def downstream(self, name: str) -> set[str]:
        """All steps after this one, directly or not."""
        return {n for n in self.order if name in self.upstream(n)}

    def edges(self, name: str) -> list[Edge]:
        """The inputs of a step: references in its options and in the components it uses."""
        spec = self.recipe.steps[name]
        return [
            Edge(where.removeprefix(f"{spec.where}."), part)
            for where, part in deep_parts(spec)
            if isinstance(part, Ref)
        ]

    def select(
        self, *, only: Iterable[str] = (), from_: str | None = None, until: str | None = None
    ) -> tuple[str, ...]:
        """The steps asked for, in order: all; those named; one and all after it; one and all before it.

        Raises:
            UsageError: there is no such step.
        """
        chosen = set(self.order)
        named = set(only)
        for name in (*named, *(n for n in (from_, until) if n is not None)):
            self.require(name)
        if named:
            chosen &= named
        if from_ is not None:
            chosen &= {from_, *self.downstream(from_)}
        if until is not None:
            chosen &= {until, *self.upstream(until)}
        return tuple(name for name in self.order if name in chosen)

    def require(self, name: str) -> None:
        """Raise `UsageError` where there is no step of that name."""
        if name not in self.recipe.steps:
            raise UsageError(
                f"The recipe has no step '{name}'.{suggest(name, self.order)}", hint=f"Steps: {', '.join(self.order)}"
            )

    def fingerprints(self, datasets: Datasets) -> dict[str, str]:
        """Step -> fingerprint. Builds the data sets. Raises `DataError` where their files are missing."""
        found: dict[str, str] = {}
        printer = _Printer(self.recipe, datasets, found)
        for name in self.order:
            found[name] = digest(printer.step(self.recipe.steps[name]))
        return found

    def _upstream(self, spec: Spec) -> tuple[str, ...]:
        names: dict[str, None] = {}
        todo: list[Spec] = [spec]
        while todo:
            for _, part in deep_parts(todo.pop()):
                if isinstance(part, Ref) and part.to == "port":
                    names[part.name] = None
                elif isinstance(part, Ref):
                    todo.append(self.recipe.components[part.name])
        return tuple(names)


class _Printer:
    """What goes into a fingerprint, as plain data."""

    def __init__(self, recipe: Recipe, datasets: Datasets, done: Mapping[str, str]) -> None:
        self.recipe, self.datasets, self.done = recipe, datasets, done

    def step(self, spec: Spec) -> dict[str, Any]:
        neutral = getattr(spec.cls, "neutral", ())
        precision = self.recipe.runtime.get("precision", "auto")
        return {
            **self.component(spec, without=("title", *neutral)),
            "core": CORE_FORMAT,
            "seed": self.recipe.seed if spec.seed is None else spec.seed,
            # What "auto" becomes belongs to the machine, like the device; a precision that was asked for is an option.
            "precision": precision,
        }

    def component(self, spec: Spec, without: tuple[str, ...] = ()) -> dict[str, Any]:
        given = {name: value for name, value in spec.options.items() if name not in without}
        options = {name: self.value(value) for name, value in spec.cls.identity(given).items()}
        return {"kind": spec.kind, "use": spec.use, "code": code_hash(spec.cls), "options": options}

    def value(self, value: Any) -> Any:
        if isinstance(value, Spec):
            return {"$component": self._built(value)}
        if isinstance(value, Ref):
            return self._ref(value)
        if isinstance(value, Component):
            return {"$component": {"kind": value.kind, "use": value.use, "code": code_hash(type(value))}}
        if isinstance(value, Mapping):
            return {str(key): self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return canonical(value)

    def _ref(self, ref: Ref) -> Any:
        if ref.to == "port":
            return {"$step": self.done[ref.name], "port": ref.port}
        spec = self.recipe.components[ref.name]
        if ref.to == "split":
            return {"$split": self.datasets.dataset(spec).split(str(ref.port)).fingerprint()}
        return {"$component": self._built(spec)}

    def _built(self, spec: Spec) -> Any:
        if issubclass(spec.cls, Dataset):
            return self.datasets.dataset(spec).fingerprint()
        return self.component(spec)
