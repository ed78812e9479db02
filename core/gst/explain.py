"""pydantic's errors in the words of a recipe: "prior.depth  should be a whole number, got 'abc'"."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

_LIMIT = 60
_TYPES = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "path_type": "a path",
    "none_required": "null",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list without repeats",
    "frozen_set_type": "a list without repeats",
    "sequence_str": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
}
_BOUNDS = {
    "greater_than": "greater than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "multiple_of": "a multiple of {multiple_of}",
    "too_short": "a list of at least {min_length}",
    "too_long": "a list of at most {max_length}",
    "string_too_short": "text of at least {min_length} characters",
    "string_too_long": "text of at most {max_length} characters",
    "string_pattern_mismatch": "text that matches {pattern}",
    "literal_error": "{expected}",
}


def explain(error: ValidationError, value: Any) -> list[tuple[str, str]]:
    """Every problem of one value: (path inside the value, message), as in ("[1]", "should be a number, got 'x'")."""
    found: dict[tuple[Any, ...], dict[str, None]] = {}
    for detail in error.errors():
        place, phrase = _place(value, detail["loc"]), _phrase(detail)
        if detail["type"] == "missing" and isinstance(detail["loc"][-1], int):
            found[place] = {f"a list of {detail['loc'][-1] + 1}": None}
        else:
            found.setdefault(place, {})[phrase] = None
    problems = []
    for place, phrases in found.items():
        if any(other != place and other[: len(place)] == place for other in found):
            continue  # another member of the union came further, and says more
        got = value
        for part in place:
            got = got[part]
        path = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in place)
        problems.append((path, f"should be {' or '.join(phrases)}, got {show(got)}"))
    return problems


def show(value: Any) -> str:
    """A value as a recipe would write it, shortened; an object by its class."""
    if isinstance(value, str):
        text = repr(value)
    else:
        try:
            text = json.dumps(value)
        except (TypeError, ValueError):
            plain = isinstance(value, list | tuple | dict | set)
            text = repr(value) if plain else f"a {getattr(value, 'cls', type(value)).__name__}"
    return text if len(text) <= _LIMIT else text[: _LIMIT - 3] + "..."


def _place(value: Any, loc: tuple[Any, ...]) -> tuple[Any, ...]:
    """The part of an error's location that leads into the value; the rest names members of unions."""
    place = []
    for part in loc:
        in_list = isinstance(value, list | tuple) and isinstance(part, int) and part < len(value)
        if in_list or (isinstance(value, Mapping) and part in value):
            value = value[part]
            place.append(part)
    return tuple(place)


def _phrase(detail: Any) -> str:
    kind = detail["type"]
    if kind in _TYPES:
        return _TYPES[kind]
    if kind in _BOUNDS:
        limits = detail["ctx"].items()
        return _BOUNDS[kind].format(**{k: int(v) if isinstance(v, float) and v.is_integer() else v for k, v in limits})
    if kind == "is_instance_of":
        return "a list" if detail["ctx"]["class"] == "Sequence" else f"a {detail['ctx']['class']}"
    message: str = detail["msg"]
    return message.removeprefix("Input should be ").removeprefix("Value error, ")
