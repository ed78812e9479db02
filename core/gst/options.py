"""The options of a component class, read from the signature and the docstring of its `__init__`."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from gst.artifacts import Artifact
from gst.component import BOUND, Component
from gst.errors import PluginError
from gst.explain import show
from gst.kinds import StorySet

REFERENCES = (Component, StorySet, Artifact)
_SECTION = re.compile(r"^(Args|Arguments|Options|Parameters):\s*$")
_ITEM = re.compile(r"^(\w+)(?:\s*\([^)]*\))?:\s*(.*)$")


@dataclass(frozen=True)
class Option:
    """One option of a component.

    Args:
        name: its name.
        annotation: its type.
        required: whether it has no default.
        default: its default, None where it is required.
        doc: its meaning, from the docstring.
        refs: the classes of component, split or artifact it takes; empty where it is a plain value.
    """

    name: str
    annotation: Any
    required: bool
    default: Any
    doc: str
    refs: tuple[type, ...]


@dataclass(frozen=True)
class BoundArg:
    """One argument that steps fill in."""

    name: str
    annotation: Any
    required: bool
    doc: str


@dataclass(frozen=True)
class Signature:
    """What a component's `__init__` takes."""

    options: list[Option]
    bound: list[BoundArg]

    def option(self, name: str) -> Option | None:
        return next((option for option in self.options if option.name == name), None)


def signature_of(cls: type) -> Signature:
    """The options and bound arguments of a component class.

    `**options` in a class that inherits from another component stands for all that the other one takes.

    Raises:
        PluginError: the signature cannot be read as options: `*args`, `**kwargs` that stand for nothing, untyped or
            positional-only arguments, names that do not resolve.
    """
    if cls not in _signatures:
        _signatures[cls] = _read(cls)
    return _signatures[cls]


_signatures: dict[type, Signature] = {}


def _read(cls: type) -> Signature:
    docs = _docs(cls)
    options: list[Option] = []
    bound: list[BoundArg] = []
    for name, (parameter, hint) in _parameters(cls).items():
        required = parameter.default is parameter.empty
        inner = _bound(hint)
        if inner is not None:
            bound.append(BoundArg(name, inner, required, docs.get(name, "")))
        else:
            default = None if required else parameter.default
            refs = tuple(dict.fromkeys(_references(hint)))
            options.append(Option(name, hint, required, default, docs.get(name, ""), refs))
    return Signature(options, bound)


def _parameters(cls: type) -> dict[str, tuple[inspect.Parameter, Any]]:
    """Name -> parameter and type, of the class's `__init__` and, as long as that takes `**options`, of its bases'."""
    found: dict[str, tuple[inspect.Parameter, Any]] = {}
    rest: inspect.Parameter | None = None
    for each in cls.__mro__[:-1]:
        if "__init__" not in each.__dict__:
            continue
        init, rest = inspect.unwrap(each.__dict__["__init__"]), None
        try:
            hints = get_type_hints(init, include_extras=True)
        except Exception as error:
            raise PluginError(f"{class_path(cls)}: a type in its __init__ cannot be resolved: {error}") from error
        for name, parameter in list(inspect.signature(init).parameters.items())[1:]:
            if parameter.kind is parameter.VAR_KEYWORD:
                rest = parameter
                continue
            if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                raise _unreadable(cls, parameter)
            if name not in hints:
                raise PluginError(f"{class_path(cls)}: option '{name}' has no type")
            found.setdefault(name, (parameter, hints[name]))
        if rest is None:
            return found
    if rest is not None:
        raise _unreadable(cls, rest)
    return found


def _unreadable(cls: type, parameter: inspect.Parameter) -> PluginError:
    return PluginError(f"{class_path(cls)}: '{parameter}' in its __init__ cannot be an option; name each one")


def type_name(annotation: Any) -> str:
    """A type as one reads it: "int", "list[str]", "'a' | 'b'", "Tokenizer | None"."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        limits = [text for metadata in args[1:] for text in _limits(metadata)]
        return type_name(args[0]) + (f" ({', '.join(limits)})" if limits else "")
    if origin is Literal:
        return " | ".join(repr(a) if isinstance(a, str) else show(a) for a in args)
    if origin in (Union, types.UnionType):
        return " | ".join(type_name(a) for a in args)
    if annotation is type(None):
        return "None"
    if annotation is Ellipsis:
        return "..."
    if args and origin is not None:
        return f"{origin.__name__}[{', '.join(type_name(a) for a in args)}]"
    return getattr(annotation, "__name__", str(annotation))


def _limits(metadata: Any) -> Iterator[str]:
    """Field(ge=1, le=8) -> ">= 1", "<= 8"."""
    for part in getattr(metadata, "metadata", [metadata]):
        for limit, words in _LIMITS.items():
            value = getattr(part, limit, None)
            if value is not None:
                yield f"{words} {value}"


_LIMITS = {
    "gt": ">",
    "ge": ">=",
    "lt": "<",
    "le": "<=",
    "multiple_of": "a multiple of",
    "min_length": "at least",
    "max_length": "at most",
    "pattern": "like",
}


def _references(annotation: Any) -> Iterator[type]:
    return (cls for cls in _classes(annotation) if issubclass(cls, REFERENCES))


def _classes(annotation: Any) -> Iterator[type]:
    """All classes inside an annotation."""
    if isinstance(annotation, type) and not get_args(annotation):
        yield annotation
    elif annotation is Any:
        yield object
    elif get_origin(annotation) is not Literal:
        for arg in get_args(annotation):
            yield from _classes(arg)


def _bound(annotation: Any) -> Any:
    """The type inside `Bound[...]`, or None where it is an option."""
    if get_origin(annotation) is Annotated and BOUND in get_args(annotation)[1:]:
        return get_args(annotation)[0]
    return None


def _docs(cls: type) -> dict[str, str]:
    """Meaning of each argument, from the `Args:` sections of the class, of its `__init__` and of its bases."""
    docs: dict[str, str] = {}
    for each in reversed(cls.__mro__[:-1]):
        for source in (each.__dict__.get("__doc__"), getattr(each.__dict__.get("__init__"), "__doc__", None)):
            docs.update(_parse_args(source or ""))
    return docs


def _parse_args(docstring: str) -> dict[str, str]:
    docs: dict[str, str] = {}
    name, inside = None, False
    for line in inspect.cleandoc(docstring).splitlines():
        indent = len(line) - len(line.lstrip())
        if not line.strip():
            continue
        if indent == 0:
            inside, name = bool(_SECTION.match(line)), None
        elif inside:
            item = _ITEM.match(line.strip()) if indent <= 4 else None
            if item:
                name = item[1]
                docs[name] = item[2]
            elif name:
                docs[name] = f"{docs[name]} {line.strip()}".strip()
    return docs


def class_path(cls: type) -> str:
    """A class in messages: module:Class."""
    return f"{cls.__module__}:{cls.__qualname__}"
