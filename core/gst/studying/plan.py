"""What a study will do: a run for every row and seed, and which steps these have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from gst import plugins
from gst.errors import DataError, PluginError, Problem, RecipeError, StoreError, UsageError
from gst.naming import suggest
from gst.recipe.load import check_tree, read_tree
from gst.recipe.locate import find_base
from gst.recipe.nodes import Node
from gst.recipe.overrides import apply, from_command_line, smoke_pairs
from gst.recipe.spec import Recipe
from gst.series import PlannedRun, Planner, Series
from gst.store import Store
from gst.studying.read import StudySource, read_study
from gst.studying.spec import Pairs, Study, StudyRow

STATE = "study.json"


@dataclass(frozen=True)
class PlannedRow(PlannedRun):
    """One run to be.

    Args:
        row: its row.
        seed: its seed.
    """

    row: StudyRow
    seed: int


@dataclass(frozen=True)
class StudyPlan(Series[PlannedRow]):
    """What a study will do.

    Args:
        study: what was asked.
        others: runs that are not asked for now; published where they are finished.
        skipped: row -> why it cannot run.
        smoke: whether all of it runs at a tiny size.
    """

    study: Study
    others: tuple[PlannedRow, ...]
    skipped: Mapping[str, str]
    smoke: bool


def plan_study(
    source: StudySource,
    overrides: Iterable[str] = (),
    *,
    only: Sequence[str] = (),
    table: str | None = None,
    out: str | Path | None = None,
    smoke: bool = False,
    store: Store,
) -> StudyPlan:
    """Read and check a study and its recipes, and find what must be done. Arguments as in `gst.study`.

    Raises:
        UsageError: there is no such study, row or table, or `out` holds something else.
        RecipeError: the study, or a recipe with what the study sets, is invalid.
        DataError: no row can run.
    """
    study = read_study(source)
    chosen = _chosen(study, only, table)
    said = {name: _said(name, study, overrides) for name in study.rows}
    folder = Path("runs") / f"{study.name}{'-smoke' if smoke else ''}-study" if out is None else Path(out)
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / STATE).exists())):
        raise UsageError(f"{folder} is there and is no study", hint="Give --out a new folder, or that of a study.")

    planner, rest = Planner(store), Planner(store)
    runs: list[PlannedRow] = []
    others: list[PlannedRow] = []
    skipped: dict[str, str] = {}
    problems: dict[Problem, list[str]] = {}
    for name, row in study.rows.items():
        missing = [path for path in row.needs if path not in dict(said[name])]
        if missing:
            skipped[name] = f"needs {', '.join(f'-s {name}:{path}=...' for path in missing)}"
            continue
        try:
            for seed in row.seeds:
                recipe = _load(study, row, seed, said[name], smoke)
                found = (planner if name in chosen else rest).add(recipe)
                run = f"{name}-s{seed}"
                (runs if name in chosen else others).append(PlannedRow(run, recipe, folder / run, *found, row, seed))
        except RecipeError as error:
            for problem in error.problems:
                problems.setdefault(problem, []).append(name)
        except (DataError, StoreError, PluginError) as error:
            skipped[name] = error.message
    if problems:
        raise RecipeError([_of_rows(problem, names) for problem, names in problems.items()], what="study")
    if not runs:
        why = "; ".join(f"{name}: {skipped[name]}" for name in chosen)
        raise DataError(f"no row of the study can run: {why}")
    return StudyPlan(folder, tuple(runs), planner.total(), planner.measured, study, tuple(others), skipped, smoke)


def _chosen(study: Study, only: Sequence[str], table: str | None) -> list[str]:
    for name in only:
        if name not in study.rows:
            raise UsageError(
                f"the study has no row '{name}'.{suggest(name, list(study.rows))}",
                hint=f"It has: {', '.join(study.rows)}.",
            )
    if table is not None and table not in study.tables:
        raise UsageError(
            f"the study has no table '{table}'.{suggest(table, list(study.tables))}",
            hint=f"It has: {', '.join(study.tables)}.",
        )
    asked = study.rows if table is None else study.tables[table].rows
    return [name for name in study.rows if name in asked and (not only or name in only)]


def _said(name: str, study: Study, overrides: Iterable[str]) -> Pairs:
    """What the command line sets in one row: PATH=VALUE, or ROW:PATH=VALUE, where ROW may be a pattern."""
    mine = []
    for text in overrides:
        place = text.partition("=")[0]
        pattern, colon, _ = place.partition(":")
        if not colon:
            mine.append(text)
            continue
        if not any(fnmatchcase(row, pattern) for row in study.rows):
            raise UsageError(f"-s {text}: the study has no row '{pattern}'.{suggest(pattern, list(study.rows))}")
        if fnmatchcase(name, pattern):
            mine.append(text[len(pattern) + 1 :])
    return tuple(from_command_line(mine))


def _load(study: Study, row: StudyRow, seed: int, said: Pairs, smoke: bool) -> Recipe:
    """The row's recipe: what the study sets over it, then its smoke section and the study's, then the command line."""
    try:
        source = find_base(row.recipe, None if study.path is None else study.path.parent, plugins.registry())
    except RecipeError as error:
        found = [replace(p, where="recipe", file=row.where.file, line=row.where.line) for p in error.problems]
        raise RecipeError(found) from error
    tree, name, path = read_tree(source)
    seeded = Node(seed, row.where.file, row.where.line)
    tree, problems = apply(tree, [*row.set, (row.seed_path, seeded)])
    if smoke:
        tree, more = apply(tree, [*_small(tree), *row.smoke])
        problems += more
    tree, more = apply(tree, said)
    problems += more
    recipe, more = check_tree(tree, name, path, smoke=smoke)
    if problems or more:
        raise RecipeError([*problems, *more])
    return recipe


def _small(tree: Node) -> list[tuple[str, Node]]:
    """The recipe's smoke section, without what lies in steps and components that the study takes out."""

    def taken_out(path: str) -> bool:
        parts = tuple(path.split("."))
        above = (tree.at(parts[:n]) for n in range(1, len(parts)))
        return any(node is not None and node.value is None for node in above)

    return [(path, node) for path, node in smoke_pairs(tree) if not taken_out(path)]


def _of_rows(problem: Problem, names: Sequence[str]) -> Problem:
    """The problem with the rows that have it."""
    shown = ", ".join(dict.fromkeys(names))
    return replace(problem, message=f"{problem.message} (rows: {shown})")
