"""From what was written to what is meant: every `use` and every reference, with all problems in one pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gst import schema
from gst.component import Component
from gst.errors import Problem
from gst.kinds import KINDS, Step
from gst.recipe.header import is_seed, read_header
from gst.recipe.names import Names
from gst.recipe.nodes import Node
from gst.recipe.references import References
from gst.recipe.spec import Recipe, Ref, Spec
from gst.registry import Registry

_RESERVED = ("use", "seed", "title")


class Resolver:
    """One pass over one recipe."""

    def __init__(self, tree: Node, registry: Registry) -> None:
        self.names = Names(tree, registry)
        self.references = References(self.names)
        self._unresolved = 0

    @property
    def problems(self) -> list[Problem]:
        """Everything that is wrong."""
        return self.names.problems

    def resolve(self, name: str, path: Path | None, *, smoke: bool) -> Recipe:
        """The recipe; valid only where `problems` stays empty."""
        tree, nodes = self.names.tree, self.names.nodes
        header = read_header(tree, self.names.report)
        specs = {each: self._spec(f"{section}.{each}", node) for each, (section, node) in nodes.items()}
        known = {each: spec for each, spec in specs.items() if spec is not None}
        return Recipe(
            name=name,
            path=path,
            tree=tree,
            title=header.title,
            description=header.description,
            seed=header.seed,
            runtime=header.runtime,
            components={k: s for k, s in known.items() if nodes[k][0] == "components"},
            steps={k: s for k, s in known.items() if nodes[k][0] == "steps"},
            output=self._output(),
            smoke=smoke,
        )

    def _spec(self, where: str, node: Node, kinds: tuple[str, ...] | None = None) -> Spec | None:
        found = self.names.found.get(where) if kinds is None else self.names.use(where, node, kinds)
        if found is None:
            return None
        entry, cls = found
        signature = schema.signature_of(cls)
        reserved = _RESERVED if issubclass(cls, Step) else ("use",)
        raw: dict[str, Any] = {}
        unresolved: set[str] = set()
        for key, value in node.mapping.items():
            option = signature.option(key)
            if key in reserved and option is None:
                continue
            if option is None or not option.refs:
                raw[key] = value.plain()
                continue
            before = self._unresolved
            resolved = self._value(f"{where}.{key}", value, option.refs)
            if self._unresolved == before:
                raw[key] = resolved
            else:
                unresolved.add(key)
        clean, problems = schema.validate(cls, raw, where, entry.name)
        for problem in problems:
            if not any(problem.where == where and f"needs the option '{key}'" in problem.message for key in unresolved):
                self.names.report(problem.where, problem.message)
        seed, title = self._step_keys(where, node) if issubclass(cls, Step) else (None, None)
        use = f"{entry.dist}:{entry.name}" if entry.key in self.names.registry.conflicts else entry.name
        return Spec(where, use, entry, cls, clean, tuple(raw), seed, title)

    def _step_keys(self, where: str, node: Node) -> tuple[int | None, str | None]:
        """What every step may have besides its options: a seed and a title."""
        seed, title = (getattr(node.mapping.get(key), "value", None) for key in ("seed", "title"))
        if seed is not None and not is_seed(seed):
            self.names.report(f"{where}.seed", f"is a whole number from 0, not {node.mapping['seed'].plain()!r}")
            seed = None
        if title is not None and not isinstance(title, str):
            self.names.report(f"{where}.title", f"is text, not {node.mapping['title'].plain()!r}")
            title = None
        return seed, title

    def _value(self, where: str, node: Node, refs: tuple[type, ...]) -> Any:
        """A value in which references may stand, with those resolved."""
        if isinstance(node.value, str) and node.value.startswith("$"):
            return self._counted(self.references.ref(where, node.value))
        if isinstance(node.value, list):
            return [self._value(f"{where}[{i}]", item, refs) for i, item in enumerate(node.value)]
        if isinstance(node.value, dict) and "use" in node.value and any(issubclass(r, Component) for r in refs):
            return self._counted(self._spec(where, node, _kinds_for(refs)))
        if isinstance(node.value, dict):
            return {key: self._value(f"{where}.{key}", item, refs) for key, item in node.value.items()}
        if isinstance(node.value, str) and node.value.split(".")[0] in self.names.nodes:
            self.names.report(where, f"should be a reference: write ${node.value}")
            return self._counted(None)
        return node.value

    def _counted(self, value: Ref | Spec | None) -> Ref | Spec | None:
        """Count what could not be resolved; its problem is reported already."""
        self._unresolved += value is None
        return value

    def _output(self) -> Ref | None:
        node = self.names.tree.mapping.get("output")
        if node is None or node.value is None:
            return None
        ref = (
            self.references.ref("output", node.value)
            if isinstance(node.value, str) and node.value.startswith("$")
            else None
        )
        if ref is None and not any(problem.where == "output" for problem in self.names.problems):
            self.names.report(
                "output", f"is the port with the pictures, such as $sample.pictures, not {node.plain()!r}"
            )
        elif ref is not None and ref.to != "port":
            self.names.report("output", f"is the port of a step, not {ref}")
            return None
        return ref


def _kinds_for(refs: tuple[type, ...]) -> tuple[str, ...]:
    """The kinds whose components may stand where one of `refs` is wanted."""
    kinds = [
        kind
        for kind, contract in KINDS.items()
        if kind != "step" and any(issubclass(contract, ref) or issubclass(ref, contract) for ref in refs)
    ]
    return tuple(kinds)
