"""From what was written to what is meant: every `use` and every reference, with all problems in one pass."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gst import schema
from gst.component import Component
from gst.errors import Problem
from gst.kinds import Dataset, Step, StorySet
from gst.recipe.nodes import Node
from gst.recipe.overrides import TOP
from gst.recipe.spec import Recipe, Ref, Spec
from gst.recipe.uses import find_use
from gst.registry import KIND_NAMES, Entry, Registry, suggest

FORMAT = 1
COMPONENT_KINDS = tuple(kind for kind in KIND_NAMES if kind != "step")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_REFERENCE = re.compile(r"\$([A-Za-z][A-Za-z0-9_-]*)(?:\.([A-Za-z0-9_-]+))?")
_RUNTIME = ("device", "precision", "threads", "trackers")
_RESERVED = ("use", "seed", "title")
_PART = re.compile(r"[^.\[\]]+")


class Resolver:
    """One pass over one recipe.

    Attributes:
        problems: everything that is wrong.
    """

    def __init__(self, tree: Node, registry: Registry) -> None:
        self.tree, self.registry = tree, registry
        self.problems: list[Problem] = []
        self.nodes: dict[str, tuple[str, Node]] = {}
        self.found: dict[str, tuple[Entry, type[Component]]] = {}
        self.unresolved = 0

    def resolve(self, name: str, path: Path | None, *, smoke: bool) -> Recipe:
        """The recipe; valid only where `problems` stays empty."""
        self._top()
        self._names("components", COMPONENT_KINDS)
        self._names("steps", ("step",))
        specs = {each: self._spec(f"{section}.{each}", node) for each, (section, node) in self.nodes.items()}
        known = {each: spec for each, spec in specs.items() if spec is not None}
        return Recipe(
            name=name,
            path=path,
            tree=self.tree,
            title=self._scalar("title", str, ""),
            description=self._scalar("description", str, ""),
            seed=self._seed(),
            runtime=self._runtime(),
            components={k: s for k, s in known.items() if self.nodes[k][0] == "components"},
            steps={k: s for k, s in known.items() if self.nodes[k][0] == "steps"},
            output=self._output(),
            smoke=smoke,
        )

    def report(self, where: str, message: str) -> None:
        """Note a problem at a path; its place is that of the nearest value that was written."""
        node = self.tree
        for part in _PART.findall(where):
            below = node.children().get(part)
            if below is None:
                break
            node = below
        self.problems.append(Problem(where, message, node.file, node.line))

    def _top(self) -> None:
        for key in self.tree.mapping:
            if key not in TOP:
                self.report(key, f"is no part of a recipe.{suggest(key, TOP)} Parts: {', '.join(TOP)}, extends")
        version = self.tree.mapping.get("gst")
        if version is None:
            self.report("gst", f"is missing: a recipe says its format, gst: {FORMAT}")
        elif version.value != FORMAT or isinstance(version.value, bool):
            self.report("gst", f"is format {version.plain()!r}; this gst reads format {FORMAT}")
        smoke = self.tree.mapping.get("smoke")
        if smoke is not None and not isinstance(smoke.value, dict):
            self.report("smoke", "is a mapping of paths to values, such as {train.steps: 2}")
        if not isinstance(getattr(self.tree.mapping.get("steps"), "value", None), dict):
            self.report("steps", "is missing: a recipe has at least one step")

    def _names(self, section: str, kinds: tuple[str, ...]) -> None:
        node = self.tree.mapping.get(section)
        if node is None:
            return
        if not isinstance(node.value, dict):
            self.report(section, "is a mapping of names to {use: ..., options}")
            return
        for name, each in node.value.items():
            where = f"{section}.{name}"
            if each.value is None:
                continue  # taken out of a base
            if not _NAME.fullmatch(name):
                self.report(where, "is no name: letters, digits, _ and -, beginning with a letter")
            elif name in self.nodes:
                self.report(where, f"is a component too; a name stands for one thing, and ${name} could be both")
            else:
                self.nodes[name] = (section, each)
                self._use(where, each, kinds)

    def _use(self, where: str, node: Node, kinds: tuple[str, ...]) -> tuple[Entry, type[Component]] | None:
        """Find and load what `use` stands for, once a place."""
        if where in self.found:
            return self.found[where]
        use = node.mapping.get("use")
        if not isinstance(node.value, dict) or use is None:
            self.report(where, "has no `use`: say which component it is, such as {use: vqgan}")
            return None
        if not isinstance(use.value, str):
            self.report(f"{where}.use", f"is the name of a component, not {use.plain()!r}")
            return None
        entry = find_use(use.value, kinds, self.registry)
        if isinstance(entry, str):
            self.report(f"{where}.use", entry)
            return None
        self.found[where] = (entry, entry.load())
        return self.found[where]

    def _spec(self, where: str, node: Node, kinds: tuple[str, ...] | None = None) -> Spec | None:
        found = self.found.get(where) if kinds is None else self._use(where, node, kinds)
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
            before = self.unresolved
            resolved = self._references(f"{where}.{key}", value, option.refs)
            if self.unresolved == before:
                raw[key] = resolved
            else:
                unresolved.add(key)
        clean, problems = schema.validate(cls, raw, where, entry.name)
        for problem in problems:
            if not any(problem.where == where and f"needs the option '{key}'" in problem.message for key in unresolved):
                self.report(problem.where, problem.message)
        seed, title = self._step_keys(where, node) if issubclass(cls, Step) else (None, None)
        use = f"{entry.dist}:{entry.name}" if entry.key in self.registry.conflicts else entry.name
        return Spec(where, use, entry, cls, clean, tuple(raw), seed, title)

    def _step_keys(self, where: str, node: Node) -> tuple[int | None, str | None]:
        seed, title = node.mapping.get("seed"), node.mapping.get("title")
        if seed is not None and seed.value is not None and not _is_seed(seed.value):
            self.report(f"{where}.seed", f"is a whole number from 0, not {seed.plain()!r}")
            seed = None
        return (
            seed.value if seed is not None and isinstance(seed.value, int) else None,
            title.value if title is not None and isinstance(title.value, str) else None,
        )

    def _references(self, where: str, node: Node, refs: tuple[type, ...]) -> Any:
        """A value in which references may stand, with those resolved."""
        if isinstance(node.value, str) and node.value.startswith("$"):
            return self._counted(self._ref(where, node.value))
        if isinstance(node.value, list):
            return [self._references(f"{where}[{i}]", item, refs) for i, item in enumerate(node.value)]
        if isinstance(node.value, dict) and "use" in node.value and any(issubclass(r, Component) for r in refs):
            return self._counted(self._spec(where, node, _kinds_for(refs)))
        if isinstance(node.value, dict):
            return {key: self._references(f"{where}.{key}", item, refs) for key, item in node.value.items()}
        if isinstance(node.value, str) and node.value.split(".")[0] in self.nodes:
            self.report(where, f"should be a reference: write ${node.value}")
            return self._counted(None)
        return node.value

    def _counted(self, value: Ref | Spec | None) -> Ref | Spec | None:
        """Count what could not be resolved; its problem is reported already."""
        self.unresolved += value is None
        return value

    def _ref(self, where: str, text: str) -> Ref | None:
        match = _REFERENCE.fullmatch(text)
        if match is None:
            self.report(where, f"'{text}' is no reference; those are $name, $step.port and $data.split")
            return None
        name, port = match.groups()
        if name not in self.nodes:
            known = ", ".join(f"${n}" for n in self.nodes)
            self.report(where, f"there is no '{name}'.{suggest(name, list(self.nodes))} There are {known}")
            return None
        section = self.nodes[name][0]
        found = self.found.get(f"{section}.{name}")
        if found is None:
            return None  # its own problem is reported where it stands
        cls = found[1]
        if section == "components":
            return self._component_ref(where, name, port, cls)
        assert issubclass(cls, Step)
        if port is None:
            ports = " or ".join(f"${name}.{p}" for p in cls.outputs)
            self.report(where, f"${name} is a step; refer to what it gives: {ports or 'nothing'}")
            return None
        if port not in cls.outputs:
            ports = ", ".join(f"${name}.{p}" for p in cls.outputs) or "nothing"
            self.report(where, f"{name} does not give '{port}'.{suggest(port, list(cls.outputs))} It gives {ports}")
            return None
        given = self._trained(name, port, cls.outputs[port], ())
        return None if given is None else Ref(name, port, "port", given)

    def _component_ref(self, where: str, name: str, port: str | None, cls: type[Component]) -> Ref | None:
        if port is None:
            return Ref(name, None, "component", cls)
        if not issubclass(cls, Dataset):
            self.report(where, f"'.{port}' cannot be: ${name} is a {cls.kind}; data sets have splits, steps have ports")
            return None
        return Ref(name, port, "split", StorySet)

    def _trained(self, name: str, port: str, declared: type, seen: tuple[str, ...]) -> type | None:
        """Class of what a port gives: where it hands on a component that it trained, that component's class.

        None where that component cannot be resolved, which is reported at its own place.
        """
        value = self.nodes[name][1].mapping.get(port)
        if not issubclass(declared, Component) or value is None or name in seen:
            return declared
        if "use" in value.mapping:
            inline = self._use(f"steps.{name}.{port}", value, COMPONENT_KINDS)
            return None if inline is None else inline[1]
        match = _REFERENCE.fullmatch(value.value) if isinstance(value.value, str) else None
        if match is None or match[1] not in self.nodes:
            return None
        section = self.nodes[match[1]][0]
        found = self.found.get(f"{section}.{match[1]}")
        if found is None or section == "components":
            return None if found is None else found[1]
        outputs: Mapping[str, type] = getattr(found[1], "outputs", {})
        return self._trained(match[1], match[2], outputs[match[2]], (*seen, name)) if match[2] in outputs else None

    def _scalar(self, key: str, cls: type, default: Any) -> Any:
        node = self.tree.mapping.get(key)
        if node is None or node.value is None:
            return default
        if not isinstance(node.value, cls):
            self.report(key, f"is text, not {node.plain()!r}")
            return default
        return node.value

    def _seed(self) -> int:
        node = self.tree.mapping.get("seed")
        if node is None:
            return 0
        if not _is_seed(node.value):
            self.report("seed", f"is a whole number from 0, not {node.plain()!r}")
            return 0
        assert isinstance(node.value, int)
        return node.value

    def _runtime(self) -> dict[str, Any]:
        node = self.tree.mapping.get("runtime")
        if node is None or node.value is None:
            return {}
        if not isinstance(node.value, dict):
            self.report("runtime", f"is a mapping of {', '.join(_RUNTIME)}")
            return {}
        allowed: dict[str, Iterable[Any]] = {"device": ("auto", "cpu", "cuda"), "precision": ("auto", "fp32", "bf16")}
        for key, each in node.value.items():
            where, value = f"runtime.{key}", each.value
            if key not in _RUNTIME:
                self.report(where, f"is not known.{suggest(key, _RUNTIME)} The runtime has {', '.join(_RUNTIME)}")
            elif key in allowed and value not in allowed[key]:
                self.report(where, f"is {' or '.join(allowed[key])}, not {each.plain()!r}")
            elif key == "threads" and value is not None and not (_is_seed(value) and value != 0):
                self.report(where, f"is a whole number from 1, not {each.plain()!r}")
            elif key == "trackers" and not (isinstance(value, list) and all(isinstance(v.value, str) for v in value)):
                self.report(where, f"is a list of names of trackers, not {each.plain()!r}")
        return {key: each.plain() for key, each in node.value.items()}

    def _output(self) -> Ref | None:
        node = self.tree.mapping.get("output")
        if node is None or node.value is None:
            return None
        ref = self._ref("output", node.value) if isinstance(node.value, str) and node.value.startswith("$") else None
        if ref is None and not any(problem.where == "output" for problem in self.problems):
            self.report("output", f"is the port with the pictures, such as $sample.pictures, not {node.plain()!r}")
        elif ref is not None and ref.to != "port":
            self.report("output", f"is the port of a step, not {ref}")
            return None
        return ref


def _kinds_for(refs: tuple[type, ...]) -> tuple[str, ...]:
    """The kinds whose components may stand where one of `refs` is wanted."""
    from gst.kinds import KINDS

    kinds = [
        kind
        for kind, contract in KINDS.items()
        if kind != "step" and any(issubclass(contract, ref) or issubclass(ref, contract) for ref in refs)
    ]
    return tuple(kinds)


def _is_seed(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63
