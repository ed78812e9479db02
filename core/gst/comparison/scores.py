"""What a run says of its pictures, read from its folder: no plugin, no network and no step is needed for that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gst.comparison.signature import flatten
from gst.errors import DataError, StoreError, UsageError
from gst.evaluation.resamples import Resamples
from gst.naming import suggest
from gst.recipe.loader import read_file
from gst.rundir import STATE, RunDir

Rows = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Scores:
    """The numbers of one run's pictures, and of those that were scored with them.

    Args:
        path: the run's folder, as it was given.
        recipe: the resolved recipe, as plain data.
        name: the recipe's name.
        smoke: whether it is a smoke run.
        seeds: step -> its seed.
        made: with which commit, plugins and packages, as dotted path -> value.
        step: the step that scored.
        of: what the run's pictures are called there.
        sources: pictures -> number -> row of the table.
        folder: where the table lies in the store, or None.
    """

    path: Path
    recipe: Mapping[str, Any]
    name: str
    smoke: bool
    seeds: Mapping[str, int]
    made: Mapping[str, str]
    step: str
    of: str
    sources: Mapping[str, Rows]
    folder: Path | None

    @property
    def rows(self) -> Rows:
        """Number -> row, of the run's pictures."""
        return self.sources[self.of]

    @property
    def oracle(self) -> bool:
        """Whether the model was told the characters by the labels."""
        pictures = next(iter(self.rows.values()))["signature"].get("pictures")
        return isinstance(pictures, Mapping) and "oracle" in str(pictures.get("characters_from"))

    def resamples(self) -> Resamples | None:
        """The numbers on resampled stories, or None where they are not kept.

        Raises:
            StoreError: they are there and cannot be read.
        """
        if self.folder is None:
            return None
        try:
            return Resamples.load(self.folder)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"{self.folder} is damaged: {error}", hint="gst store gc --corrupt removes damaged entries."
            ) from error


def read_scores(path: str | Path, table: str | None = None) -> Scores:
    """The numbers of a run.

    Args:
        path: the run's folder.
        table: the step whose table is read, whose first pictures are then the run's; by default the step that scores
            the recipe's output, or else the first one that scores anything.

    Raises:
        UsageError: there is no run, or no such table in it.
        DataError: a file of the run is damaged.
    """
    run_dir = RunDir(Path(path))
    state = run_dir.read(STATE)
    if not state:
        raise UsageError(f"there is no run in {path}", hint="gst runs lists the runs here.")
    try:
        recipe = read_file(run_dir.path / "recipe.yaml").plain()
        tables = {key.partition(".")[0]: each["rows"] for key, each in run_dir.read("metrics.json").items()}
        scored = {step: rows for step, rows in tables.items() if rows and all("signature" in row for row in rows)}
        if not scored:
            raise UsageError(
                f"the run in {path} has no scores (it is {state['status']})",
                hint="A step `evaluate` gives them; gst run goes on where a run stopped.",
            )
        step, of = _of_table(path, scored, table) if table else _of_output(path, state, recipe, scored)
        sources: dict[str, dict[str, Mapping[str, Any]]] = {}
        for row in scored[step]:
            sources.setdefault(row["of"], {})[row["metric"]] = row
        lock = run_dir.read("lock.json")
        place = run_dir.read("outputs.json").get(f"{step}.table")
        return Scores(
            path=run_dir.path,
            recipe=recipe,
            name=state["recipe"],
            smoke=bool(state["smoke"]),
            seeds=lock.get("seeds", {}),
            made=flatten({key: lock.get(key) for key in ("commit", "plugins", "packages")}),
            step=step,
            of=of,
            sources=sources,
            folder=None if place is None else Path(place["path"]),
        )
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise DataError(f"the run in {path} is damaged: {error!r}") from error


def _of_table(path: str | Path, scored: Mapping[str, Sequence[Mapping[str, Any]]], table: str) -> tuple[str, str]:
    if table not in scored:
        raise UsageError(
            f"the run in {path} has no table '{table}'.{suggest(table, list(scored))}",
            hint=f"It has: {', '.join(scored)}.",
        )
    return table, scored[table][0]["of"]


def _of_output(
    path: str | Path,
    state: Mapping[str, Any],
    recipe: Mapping[str, Any],
    scored: Mapping[str, Sequence[Mapping[str, Any]]],
) -> tuple[str, str]:
    """The step that scores what the run draws, and what these pictures are called there."""
    for step, said in recipe["steps"].items():
        # A step that was taken out of a base is null.
        pictures = said.get("pictures") if said is not None and said["use"] == "evaluate" else None
        for name, value in pictures.items() if isinstance(pictures, dict) else ():
            if value == f"${state['output']}":
                if step not in scored:
                    raise UsageError(
                        f"the run in {path} has no scores of what it draws: its step '{step}' is not done",
                        hint=f"gst run does what is missing; --table takes another table: {', '.join(scored)}.",
                    )
                return step, name
    step = next(iter(scored))
    return step, scored[step][0]["of"]
