"""A recipe whose names are resolved: what every component and step is, with which options, and what refers to what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from gst.component import Component
from gst.recipe.nodes import Node
from gst.registry import Entry


@dataclass(frozen=True)
class Ref:
    """A reference: `$name`, `$data.split` or `$step.port`.

    Args:
        name: of a component or step.
        port: of a step, or split of a data set; None for the component itself.
        to: what it leads to.
        cls: class of what stands there; for a port that gives a component, the class of the component that was trained
            where that is known.
    """

    name: str
    port: str | None
    to: Literal["component", "split", "port"]
    cls: type

    def __str__(self) -> str:
        return f"${self.name}" if self.port is None else f"${self.name}.{self.port}"


@dataclass(frozen=True)
class Spec:
    """One component or step as the recipe has it, not built yet.

    Args:
        where: its path in the recipe, such as "components.prior"; inline components have longer ones.
        use: the name it is registered under, "distribution:name" where two distributions claim it.
        entry: what that stands for.
        cls: its class.
        options: all its options, defaults filled in; references are `Ref`s, inline components `Spec`s.
        given: the options that the recipe sets.
        seed: a step's own seed, or None.
        title: what to call a step in print, or None.
    """

    where: str
    use: str
    entry: Entry
    cls: type[Component]
    options: Mapping[str, Any]
    given: tuple[str, ...] = ()
    seed: int | None = None
    title: str | None = None

    @property
    def kind(self) -> str:
        return self.entry.kind

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.where.rsplit(".", 1)[-1]

    def parts(self) -> Iterator[tuple[str, Ref | Spec]]:
        """Everything its options refer to, with the path of the option below this spec."""
        yield from parts(self.options)


def parts(value: Any, path: str = "") -> Iterator[tuple[str, Ref | Spec]]:
    """All references and inline components inside a value (not inside those components)."""
    if isinstance(value, Ref | Spec):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from parts(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple | set | frozenset):
        for i, item in enumerate(value):
            yield from parts(item, f"{path}[{i}]")


@dataclass(frozen=True)
class Recipe:
    """A valid recipe.

    Args:
        name: for run directories.
        path: its file, None for one given as a dict.
        tree: what was written, bases and overrides merged in.
        title: for the report.
        description: for the report.
        seed: of all steps that have none of their own.
        runtime: options of `gst.runtime.Runtime`.
        components: by name.
        steps: by name, as written.
        output: the port with the recipe's pictures.
        smoke: whether the `smoke` section is merged in.
        warnings: what is odd and yet no mistake.
    """

    name: str
    path: Path | None
    tree: Node
    title: str
    description: str
    seed: int
    runtime: Mapping[str, Any]
    components: Mapping[str, Spec]
    steps: Mapping[str, Spec]
    output: Ref | None = None
    smoke: bool = False
    warnings: tuple[str, ...] = field(default=())

    def target(self, ref: Ref | Spec) -> Spec | None:
        """The component that `ref` leads to as it stands (untrained), or None for splits and ports."""
        if isinstance(ref, Spec):
            return ref
        return self.components[ref.name] if ref.to == "component" else None

    def origin(self, ref: Ref | Spec) -> Spec | None:
        """The component that `ref` leads to, trained or not: `$train.model` leads to what `train` trained.

        A port that has no option of its name leads to what has that name among the options of a component that the step
        was given: `$separate.prior` to the prior inside the critic that `separate` takes apart.
        """
        for _ in range(len(self.steps) + 1):
            if isinstance(ref, Spec) or ref.to != "port":
                return self.target(ref)
            given, port = self.steps[ref.name].options, str(ref.port)
            inside = [] if port in given else [self.origin(v) for v in given.values() if isinstance(v, Ref | Spec)]
            found = [options[port] for options in (given, *(s.options for s in inside if s)) if port in options]
            if not found or not isinstance(found[0], Ref | Spec):
                return None
            ref = found[0]
        return None
