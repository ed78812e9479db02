"""What a recipe says besides its components and steps: format, title, seed, runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gst.recipe.nodes import Node
from gst.recipe.overrides import TOP
from gst.registry import suggest

FORMAT = 1
_RUNTIME = ("device", "precision", "threads", "trackers")
_ALLOWED = {"device": ("auto", "cpu", "cuda"), "precision": ("auto", "fp32", "bf16")}
Report = Callable[[str, str], None]


@dataclass(frozen=True)
class Header:
    """The values; defaults where they are missing or wrong."""

    title: str
    description: str
    seed: int
    runtime: Mapping[str, Any]


def read_header(tree: Node, report: Report) -> Header:
    """The header of a recipe; everything wrong with it is reported."""
    _check_parts(tree, report)
    return Header(
        _text(tree, "title", report), _text(tree, "description", report), _seed(tree, report), _runtime(tree, report)
    )


def is_seed(value: Any) -> bool:
    """Whether a value may be a seed: a whole number from 0 that fits into 63 bits."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _check_parts(tree: Node, report: Report) -> None:
    for key in tree.mapping:
        if key not in TOP:
            report(key, f"is no part of a recipe.{suggest(key, TOP)} Parts: {', '.join(TOP)}, extends")
    version = tree.mapping.get("gst")
    if version is None:
        report("gst", f"is missing: a recipe says its format, gst: {FORMAT}")
    elif version.value != FORMAT or isinstance(version.value, bool):
        report("gst", f"is format {version.plain()!r}; this gst reads format {FORMAT}")
    smoke = tree.mapping.get("smoke")
    if smoke is not None and not isinstance(smoke.value, dict):
        report("smoke", "is a mapping of paths to values, such as {train.steps: 2}")
    if not isinstance(getattr(tree.mapping.get("steps"), "value", None), dict):
        report("steps", "is missing: a recipe has at least one step")


def _text(tree: Node, key: str, report: Report) -> str:
    node = tree.mapping.get(key)
    if node is None or node.value is None:
        return ""
    if not isinstance(node.value, str):
        report(key, f"is text, not {node.plain()!r}")
        return ""
    return node.value


def _seed(tree: Node, report: Report) -> int:
    node = tree.mapping.get("seed")
    if node is None:
        return 0
    if not isinstance(node.value, int) or not is_seed(node.value):
        report("seed", f"is a whole number from 0, not {node.plain()!r}")
        return 0
    return node.value


def _runtime(tree: Node, report: Report) -> dict[str, Any]:
    node = tree.mapping.get("runtime")
    if node is None or node.value is None:
        return {}
    if not isinstance(node.value, dict):
        report("runtime", f"is a mapping of {', '.join(_RUNTIME)}")
        return {}
    for key, each in node.value.items():
        where, value = f"runtime.{key}", each.value
        if key not in _RUNTIME:
            report(where, f"is not known.{suggest(key, _RUNTIME)} The runtime has {', '.join(_RUNTIME)}")
        elif key in _ALLOWED and value not in _ALLOWED[key]:
            report(where, f"is {' or '.join(_ALLOWED[key])}, not {each.plain()!r}")
        elif key == "threads" and value is not None and not (is_seed(value) and value != 0):
            report(where, f"is a whole number from 1, not {each.plain()!r}")
        elif key == "trackers" and not (isinstance(value, list) and all(isinstance(v.value, str) for v in value)):
            report(where, f"is a list of names of trackers, not {each.plain()!r}")
    return {key: each.plain() for key, each in node.value.items()}
