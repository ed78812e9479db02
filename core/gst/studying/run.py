"""`gst.study`: runs what a study says, and publishes what is finished after every run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gst.errors import GstError
from gst.progress import Progress
from gst.run import RunResult, open_run
from gst.rundir import RunDir
from gst.series import Outcome, run_series
from gst.store import Store
from gst.studying.cost import cost_of
from gst.studying.plan import STATE, PlannedRow, StudyPlan, plan_study
from gst.studying.publish import Done, TableResult, make_tables, to_markdown
from gst.studying.read import StudySource

FORMAT = 1
PAGE = "study.md"


@dataclass(frozen=True)
class StudyResult:
    """What became of a study.

    Args:
        plan: what was to be done.
        runs: name of a run, such as "base-s0" -> the run, for all that are finished, also before.
        failed: name of a run -> why it failed.
        tables: with what is finished.
    """

    plan: StudyPlan
    runs: Mapping[str, RunResult]
    failed: Mapping[str, str]
    tables: tuple[TableResult, ...]

    def to_markdown(self) -> str:
        """The page that is written to study.md."""
        return to_markdown(self.plan.study, self.tables, headline(self.plan, self.runs, self.failed))

    def to_json(self) -> dict[str, Any]:
        """As plain data, as in study.json."""
        return summary(self.plan, self.runs, self.failed, self.tables)


def study(
    source: StudySource,
    overrides: Iterable[str] = (),
    *,
    only: Sequence[str] = (),
    table: str | None = None,
    out: str | Path | None = None,
    smoke: bool = False,
    store: Store | None = None,
    progress: Progress | None = None,
) -> StudyResult:
    """Run every row of a study with every seed, and publish what is finished after each run.

    Args:
        source: a study file, or what it would hold as a dict.
        overrides: "PATH=VALUE" for all rows, or "ROW:PATH=VALUE" for those that a name or a pattern fits.
        only: run these rows only.
        table: run the rows of this table only.
        out: the study's folder, with study.md, study.json and a run for every row and seed; by default
            `runs/<name>-study`.
        smoke: lay the smoke sections over the recipes: all of it at a tiny size.
        store: where finished steps are kept.
        progress: where lines and bars go; stderr by default.

    Raises:
        GstError: the study or a recipe is invalid, before anything runs; or runs failed, after all others ran.
    """
    store, progress = store or Store(), progress or Progress()
    plan = plan_study(source, overrides, only=only, table=table, out=out, smoke=smoke, store=store)
    found = run_study(plan, store=store, progress=progress)
    if found.failed:
        raise GstError(
            f"{len(found.failed)} of {len(plan.runs)} runs failed: "
            + "; ".join(f"{name}: {why}" for name, why in found.failed.items()),
            hint=f"What is finished is in {plan.dir / PAGE}; the same call goes on with those that failed.",
        )
    return found


def run_study(plan: StudyPlan, *, store: Store, progress: Progress) -> StudyResult:
    """Do what was planned, in order. A run that fails is reported, and the others go on."""
    runs: dict[str, RunResult] = {}
    failed: dict[str, str] = {}
    done: dict[str, Done] = {}
    tables: list[TableResult] = []

    def add(planned: PlannedRow, run: RunResult) -> None:
        runs[planned.name] = run
        done[planned.name] = Done(planned.row.name, planned.dir, cost_of(run))

    def publish() -> None:
        said = {**plan.skipped, **{name: f"failed: {why}" for name, why in failed.items()}}
        tables[:] = make_tables(plan.study, [done[name] for name in _order(plan) if name in done], said)
        folder = RunDir(plan.dir)
        folder.write(STATE, summary(plan, runs, failed, tables))
        folder.write_text(PAGE, to_markdown(plan.study, tables, headline(plan, runs, failed)))

    def after(outcomes: Sequence[Outcome[PlannedRow]]) -> None:
        if outcomes:
            last = outcomes[-1]
            if last.planned.name in runs:
                return
            if last.run is None:
                failed[last.planned.name] = str(last.error)
            else:
                add(last.planned, last.run)
        publish()

    for planned in (*plan.runs, *plan.others):
        if planned.finished(store):
            add(planned, open_run(planned.dir))
    run_series(plan, store=store, progress=progress, after=after)
    return StudyResult(plan, runs, failed, tuple(tables))


def headline(plan: StudyPlan, runs: Mapping[str, RunResult], failed: Mapping[str, str]) -> str:
    """In one line: "12 of 60 runs are finished, 1 failed."."""
    total = len(plan.runs) + len(plan.others)
    skipped = f", {len(plan.skipped)} rows are skipped" if plan.skipped else ""
    smoke = " Smoke runs: the numbers mean nothing." if plan.smoke else ""
    return f"{len(runs)} of {total} runs are finished, {len(failed)} failed{skipped}.{smoke}"


def summary(
    plan: StudyPlan, runs: Mapping[str, RunResult], failed: Mapping[str, str], tables: Sequence[TableResult]
) -> dict[str, Any]:
    """The study as JSON, with what is finished of it."""
    listed = {planned.name: planned for planned in (*plan.runs, *plan.others)}
    return {
        "format": FORMAT,
        "study": plan.study.name,
        "title": plan.study.title,
        "dir": str(plan.dir),
        "smoke": plan.smoke,
        **plan.counts(),
        "seconds": plan.seconds,
        "runs": [_run_json(listed[name], runs, failed) for name in _order(plan)],
        "skipped": dict(plan.skipped),
        "tables": {found.table.name: found.to_json() for found in tables},
    }


def _run_json(planned: PlannedRow, runs: Mapping[str, RunResult], failed: Mapping[str, str]) -> dict[str, Any]:
    name = planned.name
    return {
        "name": name,
        "row": planned.row.name,
        "seed": planned.seed,
        "recipe": planned.recipe.name,
        "run": str(planned.dir),
        "new_steps": list(planned.new),
        "state": "finished" if name in runs else "failed" if name in failed else "waiting",
        "error": failed.get(name),
    }


def _order(plan: StudyPlan) -> list[str]:
    """Names of all runs as the study has them."""
    known = {planned.name for planned in (*plan.runs, *plan.others)}
    return [name for row in plan.study.rows.values() for name in row.folders() if name in known]
