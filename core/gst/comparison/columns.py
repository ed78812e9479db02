"""Which numbers are shown, and that only numbers which were measured alike share a column."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from gst.comparison.scores import Scores
from gst.comparison.signature import differences, how
from gst.comparison.table import Column
from gst.errors import UsageError
from gst.naming import suggest


def choose_metrics(scores: Sequence[Scores], patterns: Sequence[str]) -> list[str]:
    """Names of the numbers to show, in the order of the tables.

    Args:
        scores: of all runs.
        patterns: names, or patterns such as "char-f1/*"; by default every number that is no part of another one.

    Raises:
        UsageError: a pattern fits no number.
    """
    names = list(dict.fromkeys(name for each in scores for name in each.rows))
    if not patterns:
        return [name for name in names if name.rpartition("/")[0] not in names]
    for pattern in patterns:
        if not any(_matches(name, pattern) for name in names):
            raise UsageError(
                f"no run has a number '{pattern}'.{suggest(pattern, names)}", hint=f"They have: {', '.join(names)}."
            )
    return [name for name in names if any(_matches(name, pattern) for pattern in patterns)]


def make_columns(scores: Sequence[Scores], metrics: Sequence[str], split: bool) -> list[Column]:
    """One column for each number and each way in which it was measured.

    Args:
        scores: of all runs.
        metrics: the numbers.
        split: give each way a column of its own instead of refusing them.

    Raises:
        UsageError: a number was not measured alike in all runs, with what differs.
    """
    columns: list[Column] = []
    conflicts: dict[tuple[str, ...], list[str]] = {}
    for metric in metrics:
        ways: dict[tuple[tuple[str, str], ...], list[Scores]] = {}
        for each in scores:
            if metric in each.rows:
                ways.setdefault(tuple(sorted(how(each.rows[metric]).items())), []).append(each)
        if len(ways) > 1:
            measured = [(str(each.path), dict(way)) for way, members in ways.items() for each in members]
            conflicts.setdefault(tuple(differences(measured)), []).append(metric)
        for number, (way, members) in enumerate(ways.items(), 1):
            name = f"{metric} ({number})" if len(ways) > 1 else metric
            columns.append(Column(name, metric, members[0].rows[metric].get("direction"), dict(way)))
    if conflicts and not split:
        raise _refusal(conflicts, [name for name in metrics if not any(name in each for each in conflicts.values())])
    return columns


def fits(column: Column, scores: Scores) -> bool:
    """Whether a run has this number, measured in this way."""
    return column.metric in scores.rows and how(scores.rows[column.metric]) == column.how


def _matches(name: str, pattern: str) -> bool:
    """A name matches itself, also where it holds brackets ("char-f1[new]"), which mean a set in a pattern."""
    return name == pattern or fnmatchcase(name, pattern)


def _refusal(conflicts: dict[tuple[str, ...], list[str]], alike: Sequence[str]) -> UsageError:
    lines = ["these numbers were not measured alike, so they do not belong in one column:"]
    for differs, metrics in conflicts.items():
        lines += [f"  {', '.join(metrics)}", *(f"    {line}" for line in differs)]
    some = f"--metric picks numbers (measured alike: {', '.join(alike)})" if alike else "none was measured alike"
    return UsageError("\n".join(lines), hint=f"--split-columns gives each way of measuring its own column; {some}.")
