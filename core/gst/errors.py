"""The errors gst raises for a user's mistakes: one base, one exit code a kind.

A message says what was asked and what is there; the hint says what to do next. The command line prints both and no
traceback (`--debug` shows it). Anything that is not a `GstError` is a bug in gst or in a plugin.
"""

from __future__ import annotations

from dataclasses import dataclass


class GstError(Exception):
    """Base of all errors that a user can do something about.

    Args:
        message: what was asked for, and what is there instead.
        hint: what to do next, as a sentence or a command.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\n  {self.hint}"


class UsageError(GstError):
    """A command or a function was called in a way that cannot work."""

    exit_code = 2


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in a recipe.

    Args:
        where: path inside the recipe, such as `components.prior.dim`.
        message: what is wrong, with what would be right.
        file: the file the value came from, or "-s" for the command line.
        line: 1-based line in that file, where it is known.
    """

    where: str
    message: str
    file: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        place = "" if self.file is None else self.file if self.line is None else f"{self.file}:{self.line}"
        return "  ".join(part for part in (place, self.where, self.message) if part)


class RecipeError(GstError):
    """A recipe or a study is invalid. Carries every problem that was found, not only the first.

    Args:
        problems: what is wrong.
        hint: what to do next.
        what: "recipe" or "study".
    """

    exit_code = 3

    def __init__(self, problems: list[Problem], *, hint: str | None = None, what: str = "recipe") -> None:
        self.problems = list(problems)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__("\n".join([f"{count} in the {what}:", *(f"  {p}" for p in problems)]), hint=hint)


class OptionError(UsageError):
    """Options of a component are wrong: unknown name, wrong type, value out of range."""

    def __init__(self, problems: list[Problem], *, hint: str | None = None) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(str(p) for p in problems), hint=hint)


class PluginError(GstError):
    """A plugin is missing, broken, or two of them claim one name."""

    exit_code = 4


class DataError(GstError):
    """A data set or a file of the user is missing, corrupt or not what it should be."""


class CheckpointError(GstError):
    """Weights, a checkpoint or a stored artifact are truncated, tampered with or of another model."""


class StoreError(GstError):
    """The store cannot be read or written (full disk, permissions, an entry that lost its files)."""


class TrainingError(GstError):
    """Training cannot go on, such as after a loss that is not a number."""


class WritingError(GstError):
    """A writer cannot go on: its endpoint refuses or cannot be reached, or it failed on a story that must not fail."""
