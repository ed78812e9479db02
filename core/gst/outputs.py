"""Outputs of steps, opened when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from gst.artifacts import Artifact
from gst.component import Component
from gst.errors import PluginError, StoreError
from gst.kinds import Step
from gst.recipe.spec import Recipe, Spec
from gst.store import Store


class Shelf:
    """Where the outputs of a recipe's steps are.

    Args:
        recipe: whose steps.
        store: where finished steps are.
        fingerprints: of the steps.

    Attributes:
        finished: steps whose outputs may be asked for.
        kept: outputs of steps that the store does not keep, by step.
    """

    def __init__(self, recipe: Recipe, store: Store, fingerprints: Mapping[str, str]) -> None:
        self.recipe, self.store, self.fingerprints = recipe, store, fingerprints
        self.finished: list[str] = []
        self.kept: dict[str, Mapping[str, Any]] = {}

    def ports(self, step: str) -> dict[str, type]:
        """Port -> class, as the step declares."""
        return dict(cast(type[Step], self.recipe.steps[step].cls).outputs)

    def stored(self, step: str, port: str) -> Any:
        """The artifact, opened anew, so that a step that changes it changes it for nobody else; None where it is not
        in the store."""
        if step in self.kept:
            return self.kept[step].get(port)
        entry = self.store.find(self.fingerprints[step])
        return None if entry is None else self.store.load(entry, port, self.ports(step)[port])

    def get(self, step: str, port: str) -> Any:
        """As `stored`. Raises `StoreError` where it is not there."""
        found = self.stored(step, port)
        if found is None:
            raise StoreError(
                f"{step}.{port} is not in the store {self.store.root}", hint="Run the recipe again to make it."
            )
        return found


class Results(Mapping[str, Mapping[str, Any]]):
    """name -> port -> artifact, for the steps that are finished."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._opened: dict[str, Ports] = {}

    def __getitem__(self, name: str) -> Mapping[str, Any]:
        if name not in self._shelf.finished:
            raise KeyError(name)
        return self._opened.setdefault(name, Ports(self._shelf, name))

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._shelf.finished))

    def __len__(self) -> int:
        return len(self._shelf.finished)


class Ports(Mapping[str, Any]):
    """port -> artifact of one step, each opened once."""

    def __init__(self, shelf: Shelf, step: str) -> None:
        self._shelf, self._step = shelf, step
        self._ports = shelf.ports(step)
        self._opened: dict[str, Any] = {}

    def __getitem__(self, port: str) -> Any:
        if port not in self._ports:
            raise KeyError(port)
        if port not in self._opened:
            self._opened[port] = self._shelf.get(self._step, port)
        return self._opened[port]

    def __iter__(self) -> Iterator[str]:
        return iter(self._ports)

    def __len__(self) -> int:
        return len(self._ports)


class Outputs(Mapping[str, Any]):
    """ "step.port" -> artifact, for the steps that are finished."""

    def __init__(self, results: Mapping[str, Mapping[str, Any]]) -> None:
        self._results = results

    def __getitem__(self, key: str) -> Any:
        step, _, port = key.partition(".")
        return self._results[step][port]

    def __iter__(self) -> Iterator[str]:
        return (f"{step}.{port}" for step, ports in self._results.items() for port in ports)

    def __len__(self) -> int:
        return sum(len(ports) for ports in self._results.values())


def check_outputs(spec: Spec, ports: Mapping[str, type], outputs: Any) -> None:
    """Raise `PluginError` where a step returned something else than it declares."""
    wrong = [] if isinstance(outputs, Mapping) else ["it is no mapping"]
    if not wrong:
        wrong += [f"'{port}' is missing" for port in ports if port not in outputs]
        wrong += [f"'{port}' is not declared" for port in outputs if port not in ports]
        wrong += [
            f"'{port}' is a {type(outputs[port]).__name__}, not a {cls.__name__}"
            for port, cls in ports.items()
            if port in outputs and not _fits(outputs[port], cls)
        ]
    if wrong:
        raise PluginError(f"{spec.entry.key} of {spec.entry.dist} returned something else: {'; '.join(wrong)}")


def _fits(value: Any, cls: type) -> bool:
    """Artifacts are opened again by the class that is declared, so they must be of that very class."""
    return type(value) is cls if issubclass(cls, Artifact) else isinstance(value, cls) and isinstance(value, Component)
