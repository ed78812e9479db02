"""What of a signature says how something was measured, and how two of them differ.

A signature has two parts. `pictures` is what was measured: whatever a model is, its seed, its guidance. All the rest is
how it was measured (extractor and its weights, resize, what is counted, data, number of stories, version of gst), and
must be equal within a column. How often the interval was resampled does not touch the value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

_NOT_HOW = ("pictures", "interval")
_HEX = set("0123456789abcdef")


def how(row: Mapping[str, Any]) -> dict[str, str]:
    """How a row of a table was measured: dotted path -> value."""
    said = {key: value for key, value in row["signature"].items() if key not in _NOT_HOW}
    return flatten({**said, "direction": row.get("direction")})


def flatten(value: Any, path: str = "") -> dict[str, str]:
    """Nested mappings as dotted path -> JSON of what is there; texts stay as they are."""
    if isinstance(value, Mapping) and value:
        found = {}
        for key, inner in value.items():
            found.update(flatten(inner, f"{path}.{key}" if path else str(key)))
        return found
    return {path: value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)}


def brief(value: str) -> str:
    """A value for people: a hash by its first twelve digits."""
    return value[:12] if len(value) == 64 and set(value) <= _HEX else value


def differences(measured: Sequence[tuple[str, Mapping[str, str]]]) -> list[str]:
    """Lines "field: value (who, who) | value (who)", for every field that is not the same for all.

    Args:
        measured: who, and how (from `how`).
    """
    lines = []
    for key in dict.fromkeys(key for _, said in measured for key in said):
        values: dict[str, list[str]] = {}
        for who, said in measured:
            values.setdefault(brief(said.get(key, "not told")), []).append(who)
        if len(values) > 1:
            lines.append(f"{key}: " + " | ".join(f"{value} ({', '.join(who)})" for value, who in values.items()))
    return lines
