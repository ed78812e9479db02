"""Hashes that say whether a step has been done before.

A step's fingerprint covers what decides its outputs: the component and its code, its options, the fingerprints of its
inputs and of the data, and its seed. Versions of torch and the machine are not in it; the lock file records them.
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gst.errors import PluginError

CORE_FORMAT = 1
"""Stands for the code of core: raised whenever a change of core changes what steps give for the same recipe."""


def digest(value: Any) -> str:
    """sha256 (hex) of plain data; keys in any order, a tuple equals a list, 1 and 1.0 differ."""
    text = json.dumps(canonical(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def canonical(value: Any) -> Any:
    """Options as plain data. Raises `PluginError` for what has no unambiguous form."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [canonical(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((canonical(item) for item in value), key=repr)
    if isinstance(value, Path):
        return str(value)
    raise PluginError(f"an option of type {type(value).__name__} cannot be part of a fingerprint")


def code_hash(cls: type) -> str:
    """Hash of the module of `cls` and of all modules of its package that this one imports, directly or not.

    Comments, docstrings and formatting do not count, imports under `if TYPE_CHECKING` neither. Code of core is
    represented by `CORE_FORMAT`, and what other distributions bring by nothing.
    """
    package = cls.__module__.partition(".")[0]
    if package == "gst":
        return f"core-{CORE_FORMAT}"
    modules: dict[str, str] = {}
    todo = [cls.__module__]
    while todo:
        name = todo.pop()
        if name not in modules:
            modules[name], imported = _module(name, package)
            todo += imported
    return digest(modules)


@cache
def _module(name: str, package: str) -> tuple[str, tuple[str, ...]]:
    """Hash of one module's code, and the modules of `package` that it imports."""
    path = _source(name)
    if path is None:
        return "", ()
    source = path.read_bytes()
    if path.suffix != ".py":
        return hashlib.sha256(source).hexdigest(), ()
    tree = ast.parse(source)
    imported = {m for m in _imports(tree, name, path.name == "__init__.py") if m.partition(".")[0] == package}
    return digest(_shape(tree)), tuple(sorted(m for m in imported if m != package and _source(m) is not None))


def _source(name: str) -> Path | None:
    module = sys.modules.get(name)
    if module is not None:
        file = getattr(module, "__file__", None)
        return None if file is None else Path(file)
    try:
        spec = find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None
    return None if spec is None or spec.origin is None or not spec.has_location else Path(spec.origin)


def _imports(tree: ast.Module, name: str, is_package: bool) -> Iterator[str]:
    """Every module that the code imports, or may import (`from a import b`: a.b too)."""
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for part in node.body
        for inner in ast.walk(part)
    }
    parents = name.split(".") if is_package else name.split(".")[:-1]
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = parents[: len(parents) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _shape(node: Any) -> Any:
    """The syntax tree as plain data, without docstrings and places."""
    if isinstance(node, list):
        return [_shape(item) for item in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = {name: value for name, value in ast.iter_fields(node) if value not in (None, [])}
    body = fields.get("body")
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and body:
        first = body[0]
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            fields["body"] = body[1:]
    return [type(node).__name__, {name: _shape(value) for name, value in fields.items()}]
