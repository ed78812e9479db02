"""Plain scalars by the core schema of YAML 1.2.

PyYAML follows YAML 1.1, which reads `1e-4` as text, `on` as true, `010` as eight and `12:30:45` as a number.
"""

from __future__ import annotations

import re

_INT = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, bool | float | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
MAX_DIGITS = 100


def resolve(text: str) -> str | int | float | bool | None:
    """What an unquoted scalar means. Raises `ValueError` for integers of more than `MAX_DIGITS` digits."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text) or _BASED.fullmatch(text):
        if len(text) > MAX_DIGITS:
            raise ValueError(f"a number of {len(text)} digits; quote it if it is text")
        return int(text, 10) if _INT.fullmatch(text) else int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text
