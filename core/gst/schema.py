"""Options of a component, read from the signature of its `__init__`: for `gst info`, and to check recipes with.

Options are keyword arguments with types; their meaning comes from the `Args:` of the docstring. Types are checked
strictly: "12" is no whole number, true neither; 1 is a number where 1.0 is wanted. A list stands for a tuple.
"""

from __future__ import annotations

import json
import types
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import ConfigDict, Field, PlainValidator, TypeAdapter, ValidationError, WithJsonSchema
from pydantic_core import PydanticCustomError

from gst.artifacts import Artifact
from gst.errors import PluginError, Problem
from gst.explain import explain, show
from gst.kinds import KINDS, StorySet, Trainable
from gst.naming import suggest
from gst.options import REFERENCES, BoundArg, Option, Signature, class_path, signature_of, type_name

__all__ = [
    "BoundArg",
    "Option",
    "Signature",
    "fill_bound",
    "json_schema",
    "reference_name",
    "signature_of",
    "type_name",
    "validate",
]

_LENIENT = (list, tuple, set, frozenset, Path)
_CONFIG = ConfigDict(strict=True, allow_inf_nan=False, arbitrary_types_allowed=True)


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
                raise PluginError(f"{class_path(cls)}: the default of '{option.name}' {found[0][1]}") from error
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


@cache
def _adapter(cls: type, name: str) -> TypeAdapter[Any]:
    option = next(option for option in signature_of(cls).options if option.name == name)
    try:
        return TypeAdapter(_checked(option.annotation), config=_CONFIG)
    except Exception as error:
        raise PluginError(f"{class_path(cls)}: the type of option '{name}' cannot be checked: {error}") from error


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


def _outer(annotation: Any) -> Iterator[type]:
    """What a value of this type may be an instance of: tuple and NoneType for `tuple[int, int] | None`."""
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        for arg in get_args(annotation):
            yield from _outer(arg)
    else:
        yield origin or annotation if isinstance(origin or annotation, type) else object


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key
