"""The cells of a sweep: every combination of the values that are tried, each with a name and what it changes."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gst.errors import RecipeError, UsageError
from gst.fingerprint import digest
from gst.recipe.loader import parse

LONGEST = 150


@dataclass(frozen=True)
class Cell:
    """One combination.

    Args:
        name: such as "steps=4,seed=0"; the name of its folder.
        values: path -> value.
    """

    name: str
    values: Mapping[str, Any]

    @property
    def overrides(self) -> tuple[str, ...]:
        """What it changes, as after `-s`."""
        return tuple(f"{path}={_yaml(value)}" for path, value in self.values.items())


def make_cells(grid: Mapping[str, Sequence[Any]]) -> list[Cell]:
    """The product of a grid, the last path changing fastest.

    Args:
        grid: path, as after `-s` -> the values to try. A value is whatever a recipe can hold.

    Raises:
        UsageError: there is nothing to try, a value stands twice, or is nothing that a recipe can hold.
    """
    if not grid:
        raise UsageError("the grid is empty", hint="Such as --grid sampler.steps='[4, 8]' --grid seed='[0, 1, 2]'")
    axes = [_axis(path, label, values) for (path, values), label in zip(grid.items(), _labels(list(grid)), strict=True)]
    cells = []
    for chosen in itertools.product(*axes):
        name = ",".join(word for word, _ in chosen)
        if len(name) > LONGEST:
            name = f"{name[:LONGEST]}~{digest(name)[:8]}"
        cells.append(Cell(name, dict(zip(grid, (value for _, value in chosen), strict=True))))
    return cells


def read_grid(texts: Iterable[str]) -> dict[str, list[Any]]:
    """`["sampler.steps=[1, 2]"]` -> path -> values; the values are a YAML list.

    Raises:
        UsageError: one is not PATH=[VALUE, ...], or a path stands twice.
    """
    grid: dict[str, list[Any]] = {}
    for text in texts:
        path, _, listed = (part.strip() for part in text.partition("="))
        try:
            values = parse(listed, "--grid").plain() if path and listed else None
        except RecipeError as error:
            raise UsageError(f"--grid {text}: {error.problems[0].message}") from error
        if not isinstance(values, list):
            raise UsageError(
                f"--grid {text}: this is not PATH=[VALUE, ...]", hint="Such as --grid sampler.steps='[4, 8, 12]'"
            )
        if path in grid:
            raise UsageError(f"--grid {path} stands twice; give all its values in one list")
        grid[path] = values
    return grid


def _yaml(value: Any) -> str:
    """JSON, which is YAML but for characters that YAML wants escaped."""
    text = json.dumps(value, ensure_ascii=False)
    return "".join(letter if letter.isprintable() else f"\\U{ord(letter):08x}" for letter in text)


def _axis(path: str, label: str, values: Sequence[Any]) -> list[tuple[str, Any]]:
    """(part of the cell's name, value) for every value of one path."""
    if isinstance(values, str) or not isinstance(values, Sequence) or not values:
        raise UsageError(f"grid: '{path}' needs a list of values, not {values!r}")
    try:
        texts = [json.dumps(value, ensure_ascii=False, sort_keys=True) for value in values]
    except (TypeError, ValueError) as error:
        raise UsageError(f"grid: '{path}' has a value that no recipe can hold: {error}") from error
    twice = [text for text in texts if texts.count(text) > 1]
    if twice:
        raise UsageError(f"grid: '{path}' has {twice[0]} twice")
    words = [re.sub(r"[^\w.+-]+", "-", text).strip("-") for text in texts]
    return [
        # Two values that look alike without what a folder's name cannot hold are told apart by their hash.
        (f"{label}={word}" if words.count(word) == 1 else f"{label}={word}~{digest(text)[:6]}", value)
        for word, text, value in zip(words, texts, values, strict=True)
    ]


def _labels(paths: Sequence[str]) -> list[str]:
    """The shortest end of each path that no other path ends in."""
    parts = [path.split(".") for path in paths]

    def ends(own: list[str], length: int) -> int:
        return sum(other[-length:] == own[-length:] for other in parts)

    shortest = [next((n for n in range(1, len(own)) if ends(own, n) == 1), len(own)) for own in parts]
    return [".".join(own[-n:]) for own, n in zip(parts, shortest, strict=True)]
