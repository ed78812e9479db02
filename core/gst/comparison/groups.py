"""Runs that differ in their seeds only belong together: one row, with the spread over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gst.comparison.scores import Scores
from gst.comparison.signature import flatten
from gst.errors import UsageError


@dataclass(frozen=True)
class Group:
    """One row of a comparison: a run, or runs that differ in their seeds only.

    Args:
        label: what the row is called.
        members: the runs, by seed.
    """

    label: str
    members: tuple[Scores, ...]

    @property
    def oracle(self) -> bool:
        """Whether any of them was told the characters by the labels."""
        return any(member.oracle for member in self.members)

    @property
    def seeds(self) -> tuple[str, ...]:
        """What tells the members apart: the recipe's seed, or else the seeds of those steps that differ."""
        own = [int(member.recipe.get("seed", 0)) for member in self.members]
        if len(set(own)) == len(own):
            return tuple(map(str, own))
        steps = [step for step in self.members[0].seeds if len({m.seeds.get(step) for m in self.members}) > 1]
        return tuple(" ".join(f"{step} {member.seeds.get(step)}" for step in steps) for member in self.members)


def group(scores: Sequence[Scores], each: bool) -> list[Group]:
    """One group for every recipe, in the order in which they first come.

    Args:
        scores: the runs.
        each: give every run a group of its own.

    Raises:
        UsageError: a run stands there twice, or two runs have the same recipe and the same seeds.
    """
    paths = [member.path.resolve() for member in scores]
    twice = [member.path for member, path in zip(scores, paths, strict=True) if paths.count(path) > 1]
    if twice:
        raise UsageError(f"{twice[0]} is given twice")
    found: dict[Any, list[Scores]] = {}
    for index, member in enumerate(scores):
        found.setdefault(index if each else tuple(sorted(but_seeds(member).items())), []).append(member)
    recipes = [members[0].name for members in found.values()]
    folders = [members[0].path.name for members in found.values()]
    groups = []
    for members in found.values():
        first = members[0]
        if len(members) > 1 and recipes.count(first.name) == 1:
            label = first.name
        else:
            label = first.path.name if folders.count(first.path.name) == 1 else str(first.path)
        groups.append(named(label, members))
    return groups


def named(label: str, members: Sequence[Scores]) -> Group:
    """A group of runs that the user put together.

    Raises:
        UsageError: they differ in more than seeds, or not even in seeds.
    """
    first = but_seeds(members[0])
    for other in members[1:]:
        said = but_seeds(other)
        differs = sorted(key for key in first.keys() | said.keys() if first.get(key) != said.get(key))
        if differs:
            shown = ", ".join(differs[:5]) + (" ..." if len(differs) > 5 else "")
            raise UsageError(
                f"'{label}': {members[0].path} and {other.path} differ in more than their seeds: {shown}",
                hint="A row with several runs is one recipe with several seeds; give them different labels.",
            )
    for index, member in enumerate(members):
        for other in members[:index]:
            if other.seeds == member.seeds:
                raise UsageError(
                    f"{other.path} and {member.path} are the same recipe with the same seeds",
                    hint="Leave one out; the same seed twice is no spread. --each gives every run its own row.",
                )
    return Group(label, tuple(sorted(members, key=lambda m: (int(m.recipe.get("seed", 0)), *m.seeds.values()))))


def but_seeds(member: Scores) -> Mapping[str, str]:
    """What decides a run besides its seeds: path in the recipe -> value."""
    recipe = member.recipe
    steps = {
        name: {key: value for key, value in step.items() if key not in ("seed", "title")}
        for name, step in recipe.get("steps", {}).items()
        if step is not None
    }
    precision = (recipe.get("runtime") or {}).get("precision", "auto")
    return flatten({"components": recipe.get("components", {}), "steps": steps, "runtime": {"precision": precision}})
