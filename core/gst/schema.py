"""Options of a component, read from the signature of its `__init__`: for `gst info`, and to check recipes with.

Options are keyword arguments with types; their meaning comes from the `Args:` of the docstring. Types are checked
strictly: "12" is no whole number, true neither; 1 is a number where 1.0 is wanted. A list stands for a tuple.
"""

from __future__ import annotations

import inspect
import json
import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, Field, PlainValidator, TypeAdapter, ValidationError, WithJsonSchema
from pydantic_core import PydanticCustomError

from gst.artifacts import Artifact
from gst.component import BOUND, Component
from gst.errors import PluginError, Problem
from gst.explain import explain, show
from gst.kinds import KINDS, StorySet, Trainable
from gst.registry import suggest

REFERENCES = (Component, StorySet, Artifact)
_LENIENT = (list, tuple, set, frozenset, Path)
_CONFIG = ConfigDict(strict=True, allow_inf_nan=False, arbitrary_types_allowed=True)
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

    Raises:
        PluginError: the signature cannot be read as options: `*args`, `**kwargs`, positional-only or untyped arguments,
            names that do not resolve.
    """
    if cls not in _signatures:
        _signatures[cls] = _read(cls)
    return _signatures[cls]


_signatures: dict[type, Signature] = {}


def _read(cls: type) -> Signature:
    init = inspect.unwrap(cls.__init__)  # type: ignore[misc]
    if init is object.__init__:
        return Signature([], [])
    try:
        hints = get_type_hints(init, include_extras=True)
    except Exception as error:
        raise PluginError(f"{_path(cls)}: a type in its __init__ cannot be resolved: {error}") from error
    docs = _docs(cls)
    options: list[Option] = []
    bound: list[BoundArg] = []
    for name, parameter in list(inspect.signature(init).parameters.items())[1:]:
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise PluginError(f"{_path(cls)}: '{parameter}' in its __init__ cannot be an option; list each by name")
        if name not in hints:
            raise PluginError(f"{_path(cls)}: option '{name}' has no type")
        required = parameter.default is parameter.empty
        inner = _bound(hints[name])
        if inner is not None:
            bound.append(BoundArg(name, inner, required, docs.get(name, "")))
        else:
            default = None if required else parameter.default
            refs = tuple(dict.fromkeys(_references(hints[name])))
            options.append(Option(name, hints[name], required, default, docs.get(name, ""), refs))
    return Signature(options, bound)


def validate(cls: type, options: Mapping[str, Any], where: str, label: str) -> tuple[dict[str, Any], list[Problem]]:
    """Check options against a class.

    A component, a split or an artifact is checked by its class only. An object with an attribute `cls` (a blueprint, a
    reference that is not resolved yet) stands for an instance of that class.

    Args:
        cls: a component class.
        options: the options as given.
        where: path of the component in its recipe, such as "components.prior"; begins every problem's path.
        label: the component's name in messages.

    Returns:
        all options in the order of the signature, defaults filled in, as far as they are right; and every problem.

    Raises:
        PluginError: the class itself is wrong, such as a default that does not fit its type.
    """
    signature = signature_of(cls)
    names = [option.name for option in signature.options]
    filled = {argument.name for argument in signature.bound}
    problems = []
    for key in options:
        if key in filled:
            problems.append(Problem(_join(where, key), f"{label} gets '{key}' from the step; it is no option"))
        elif key not in names:
            message = f"{label} has no option {key!r}.{suggest(str(key), names)}"
            problems.append(Problem(_join(where, str(key)), message))
    clean: dict[str, Any] = {}
    for option in signature.options:
        if option.name not in options and option.required:
            meaning = f": {option.doc}" if option.doc else ""
            problems.append(Problem(where, f"{label} needs the option '{option.name}'{meaning}"))
            continue
        value = options.get(option.name, option.default)
        try:
            clean[option.name] = _adapter(cls, option.name).validate_python(value)
        except ValidationError as error:
            found = explain(error, value)
            if option.name not in options:
                raise PluginError(f"{_path(cls)}: the default of '{option.name}' {found[0][1]}") from error
            problems += [Problem(_join(where, option.name) + path, message) for path, message in found]
    return clean, problems


def fill_bound(cls: type, known: Mapping[str, Any], label: str) -> tuple[dict[str, Any], list[Problem]]:
    """Pick from what is `known` what a class declares as bound; and what is missing or of the wrong class."""
    filled: dict[str, Any] = {}
    problems = []
    for argument in signature_of(cls).bound:
        if argument.name in known:
            value = known[argument.name]
            if not isinstance(value, tuple(_outer(argument.annotation))):
                problems.append(Problem(label, f"'{argument.name}' cannot be {show(value)}"))
            filled[argument.name] = value
        elif argument.required:
            meaning = f": {argument.doc}" if argument.doc else ""
            problems.append(Problem(label, f"'{argument.name}' has to be given{meaning}"))
    return filled, problems


def json_schema(cls: type) -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of a component's options."""
    properties = {}
    for option in signature_of(cls).options:
        properties[option.name] = _adapter(cls, option.name).json_schema()
        if option.doc:
            properties[option.name]["description"] = option.doc
        if not option.required:
            properties[option.name]["default"] = json.loads(json.dumps(option.default, default=str))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": cls.__name__,
        "type": "object",
        "properties": properties,
        "required": [option.name for option in signature_of(cls).options if option.required],
        "additionalProperties": False,
    }


def type_name(annotation: Any) -> str:
    """A type as one reads it: "int", "list[str]", "'a' | 'b'", "Tokenizer | None"."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        limits = [m for m in args[1:] if repr(m)]
        return type_name(args[0]) + "".join(_limits(m) for m in limits)
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


def _limits(metadata: Any) -> str:
    """Field(ge=1, le=8) -> ", ge 1, le 8"."""
    parts = getattr(metadata, "metadata", [metadata])
    texts = []
    for part in parts:
        values = getattr(part, "__dict__", None) or {n: getattr(part, n) for n in getattr(part, "__slots__", ())}
        texts += [f"{_WORDS[key]}{value}" for key, value in values.items() if key in _WORDS and value is not None]
    return "".join(f", {text}" for text in texts)


_WORDS = {
    "ge": ">= ",
    "gt": "> ",
    "le": "<= ",
    "lt": "< ",
    "multiple_of": "multiple of ",
    "min_length": "at least ",
    "max_length": "at most ",
    "pattern": "like ",
}


@cache
def _adapter(cls: type, name: str) -> TypeAdapter[Any]:
    option = next(option for option in signature_of(cls).options if option.name == name)
    try:
        return TypeAdapter(_checked(option.annotation), config=_CONFIG)
    except Exception as error:
        raise PluginError(f"{_path(cls)}: the type of option '{name}' cannot be checked: {error}") from error


def _checked(annotation: Any) -> Any:
    """The annotation with references checked by class only, and with lists standing for tuples and sets."""
    if isinstance(annotation, type) and issubclass(annotation, REFERENCES):
        return _reference(annotation)
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return Annotated[(_checked(args[0]), *args[1:])]
    if origin in (Union, types.UnionType):
        return Union[tuple(_checked(arg) for arg in args)]  # noqa: UP007
    if origin is not None and origin is not Literal and args:
        annotation = origin[tuple(_checked(arg) for arg in args)]
    return Annotated[annotation, Field(strict=False)] if (origin or annotation) in _LENIENT else annotation


def _reference(cls: type) -> Any:
    what = reference_name(cls)

    def check(value: Any) -> Any:
        actual = getattr(value, "cls", type(value))
        if isinstance(actual, type) and issubclass(actual, cls):
            return value
        raise PydanticCustomError("reference", f"{what}, written as $name" if isinstance(value, str) else what)

    text = {"type": "string", "pattern": r"^\$", "description": f"reference to {what}"}
    return Annotated[Any, PlainValidator(check), WithJsonSchema(text)]


def reference_name(cls: type) -> str:
    """What a reference leads to: "a tokenizer", "a split of a data set", "tokens"."""
    if issubclass(cls, StorySet):
        return "a split of a data set"
    for kind, contract in KINDS.items():
        if cls is contract:
            return f"a {kind}" if kind != "text" else "a text component"
    if cls is Trainable:
        return "something trainable"
    return f"a {cls.__name__}" if not issubclass(cls, Artifact) else cls.__name__.lower()


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


def _outer(annotation: Any) -> Iterator[type]:
    """What a value of this type may be an instance of: tuple and NoneType for `tuple[int, int] | None`."""
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        for arg in get_args(annotation):
            yield from _outer(arg)
    else:
        yield object if annotation is Any else origin or annotation


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


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _path(cls: type) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"
