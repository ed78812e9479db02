"""Studies: rows in order, shared steps once, going on after a stop, failures, what is published, and the verdicts."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gst
from gst.comparison.table import Difference
from gst.errors import DataError, GstError, RecipeError, UsageError
from gst.progress import Progress
from gst.rundir import dump_yaml
from gst.store import Store
from gst.studying.plan import plan_study
from gst.studying.read import read_study
from gst.studying.verdict import RULE, judge

TOY: dict[str, Any] = {
    "gst": 1,
    "components": {
        "data": {"use": "toy-data"},
        "tokenizer": {"use": "toy-tokenizer"},
        "prior": {"use": "toy-prior"},
        "sampler": {"use": "toy-sampler", "steps": 1},
    },
    "steps": {
        "vq": {"use": "toy-train", "model": "$tokenizer", "data": "$data.train"},
        "train": {"use": "toy-train", "model": "$prior", "data": "$data.train", "tokenizer": "$vq.model"},
        "draw": {"use": "toy-draw", "prior": "$train.model", "sampler": "$sampler", "data": "$data.test"},
        "extra": {"use": "toy-count", "split": "$data.test"},
    },
    "smoke": {"sampler.steps": 7, "steps.extra.factor": 5.0},
}
STUDY: dict[str, Any] = {
    "gst": 1,
    "title": "Toys",
    "defaults": {"recipe": "toy.yaml", "seed_path": "train.seed", "set": {"steps.extra": None}},
    "rows": {
        "base": {"seeds": [0, 1]},
        "two": {"set": {"sampler.steps": 2}, "seeds": [0, 1]},
        "four": {"set": {"sampler.steps": 4}, "needs": ["vq.note"]},
    },
    "tables": {"all": {"rows": ["base", "two", "four"], "against": "base"}},
}
QUIET = Progress(quiet=True)


@pytest.fixture
def _toys(toys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GST_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    Path("toy.yaml").write_text(dump_yaml(TOY))


def but(**changes: Any) -> dict[str, Any]:
    """The study with other rows or tables."""
    return {**copy.deepcopy(STUDY), **changes}


def states() -> dict[str, str]:
    found = json.loads(Path("out/study.json").read_text())
    return {run["name"]: run["state"] for run in found["runs"]}


@pytest.mark.usefixtures("_toys")
def test_rows_run_in_order_and_share_what_they_have_in_common() -> None:
    plan = plan_study(STUDY, store=Store())
    assert [run.name for run in plan.runs] == ["base-s0", "base-s1", "two-s0", "two-s1"]
    assert [run.new for run in plan.runs] == [("vq", "train", "draw"), ("train", "draw"), ("draw",), ("draw",)]
    assert plan.headline() == "4 runs of 12 steps: 7 different ones, 0 are in the store, 7 to run"
    assert plan.skipped == {"four": "needs -s four:vq.note=..."}
    assert plan.dir == Path("runs/study-study")
    assert not Path("runs").exists()
    found = gst.study(STUDY, ["four:vq.note=told"], out="out", progress=QUIET)
    assert list(found.runs) == ["base-s0", "base-s1", "two-s0", "two-s1", "four-s0"]
    drawn = {name: run.metrics["draw.table"]["rows"][0]["value"] for name, run in found.runs.items()}
    assert drawn["two-s1"] == pytest.approx(2 * drawn["base-s1"])
    assert drawn["four-s0"] == pytest.approx(4 * drawn["base-s0"]), "a note changes nothing"
    assert drawn["base-s1"] != drawn["base-s0"]
    alone = gst.run_recipe("toy.yaml", ["train.seed=1", "sampler.steps=2"], store=Store(Path("other")), progress=QUIET)
    assert alone.metrics["draw.table"] == found.runs["two-s1"].metrics["draw.table"]
    assert (Path("out") / "four-s0" / "run.json").exists()


@pytest.mark.usefixtures("_toys")
def test_it_goes_on_where_it_stopped_and_runs_nothing_twice() -> None:
    class Told(Progress):
        lines: list[str] = []  # noqa: RUF012

        def say(self, line: str) -> None:
            self.lines.append(line)
            if line.startswith("run 3 of 4") and len(self.lines) < 100:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gst.study(STUDY, out="out", progress=Told(quiet=True))
    assert states() == {"base-s0": "finished", "base-s1": "finished", "two-s0": "waiting", "two-s1": "waiting"}
    assert "2 of 4 runs are finished, 0 failed, 1 rows are skipped" in Path("out/study.md").read_text()
    before = {name: (Path("out") / name / "run.json").stat().st_mtime_ns for name in ("base-s0", "base-s1")}
    only = gst.study(STUDY, only=["two"], out="out", progress=QUIET)
    assert list(only.plan.counts().values()) == [6, 5, 3, 2], "of the rows that are asked for"
    assert set(only.runs) == {"base-s0", "base-s1", "two-s0", "two-s1"}, "what is finished is published too"
    assert set(states().values()) == {"finished"}
    assert {name: (Path("out") / name / "run.json").stat().st_mtime_ns for name in before} == before
    changed = but(rows={**STUDY["rows"], "two": {"set": {"sampler.steps": 3}, "seeds": [0, 1]}})
    gst.study(changed, only=["base"], out="out", progress=QUIET)
    assert states()["two-s0"] == "waiting", "it ran with another recipe"


@pytest.mark.usefixtures("_toys")
def test_a_failed_row_is_reported_and_the_rest_goes_on() -> None:
    failing = {**TOY, "steps": {**TOY["steps"], "odd": {"use": "toy-fail"}}}
    Path("odd.yaml").write_text(dump_yaml(failing))
    study = but(
        rows={"base": {}, "odd": {"recipe": "odd.yaml", "seeds": [0, 1]}, "last": {"set": {"sampler.steps": 3}}}
    )
    study["tables"] = {"all": {"rows": ["base", "odd", "last"]}}
    with pytest.raises(GstError, match=r"2 of 4 runs failed: odd-s0: step 'odd': the loss is not a number; odd-s1: as"):
        gst.study(study, out="out", progress=QUIET)
    assert states() == {"base-s0": "finished", "odd-s0": "failed", "odd-s1": "failed", "last-s0": "finished"}
    page = Path("out/study.md").read_text()
    assert "odd (0 of 2 seeds: odd-s0 failed: step 'odd': the loss is not a number" in page.replace("\\", "")
    assert "The rows cannot be compared" in page, "toy tables have no signatures"


@pytest.mark.usefixtures("_toys")
def test_smoke_comes_after_what_a_study_sets_and_the_command_line_last() -> None:
    study = but(rows={"base": {"set": {"sampler.steps": 2}}, "own": {"smoke": {"sampler.steps": 9}}})
    del study["tables"]
    (base, own) = plan_study(study, smoke=True, store=Store()).runs
    assert base.recipe.tree.at(("components", "sampler", "steps")).plain() == 7
    assert own.recipe.tree.at(("components", "sampler", "steps")).plain() == 9
    assert "extra" not in base.recipe.steps, "its smoke values are left out with it"
    told = plan_study(study, ["ba*:sampler.steps=1"], smoke=True, store=Store())
    assert [run.recipe.tree.at(("components", "sampler", "steps")).plain() for run in told.runs] == [1, 9]
    assert told.dir == Path("runs/study-smoke-study")


@pytest.mark.usefixtures("_toys")
def test_what_makes_no_sense_is_refused_before_anything_runs() -> None:
    for options, message in (
        ({"only": ["bas"]}, "no row 'bas'. Did you mean 'base'"),
        ({"table": "al"}, "no table 'al'. Did you mean 'all'"),
        ({"overrides": ["bse:seed=1"]}, "no row 'bse'. Did you mean 'base'"),
    ):
        with pytest.raises(UsageError, match=message):
            plan_study(STUDY, store=Store(), **options)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"there is no study nowhere\.yaml"):
        read_study("nowhere.yaml")
    with pytest.raises(DataError, match="no row of the study can run: four: needs"):
        plan_study(STUDY, only=["four"], store=Store())
    Path("out").mkdir()
    Path("out/mine.txt").write_text("keep")
    with pytest.raises(UsageError, match="is there and is no study"):
        plan_study(STUDY, out="out", store=Store())


BAD = """\
gst: 2
titel: Toys
defaults: {seed_path: 3}
rows:
  base: {recipe: toy.yaml, seeds: [0, 0]}
  a/b: {recipe: toy.yaml}
  bare: {seeds: 1}
  deep: {recipe: toy.yaml, sett: {}, set: [x]}
tables:
  one:
    rows: [base, bsae]
    against: nobody
    published: [nothing]
  two:
    rows: [base]
    claims:
      - {row: base, is: good, than: bare}
      - {row: base, is: better}
"""


@pytest.mark.usefixtures("_toys")
def test_every_problem_of_the_file_in_one_pass_with_its_line() -> None:
    Path("bad.yaml").write_text(BAD)
    with pytest.raises(RecipeError) as caught:
        read_study("bad.yaml")
    said = str(caught.value)
    assert said.startswith(f"{len(caught.value.problems)} problems in the study:")
    for line, words in (
        (1, "must be 1, not 2"),
        (2, "knows no 'titel'. Did you mean 'title'?"),
        (3, "is text, not 3"),
        (5, "different whole numbers from 0, not [0, 0]"),
        (6, "is no name"),
        (7, "has no `recipe`"),
        (7, "not 1"),
        (8, "knows no 'sett'. Did you mean 'set'?"),
        (8, "is a mapping of paths"),
        (11, "'bsae' is none of rows. Did you mean"),
        (12, "'nobody' is none of rows"),
        (13, "nothing is published here for 'nothing'"),
        (17, "needs `is: better` or `is: worse`"),
        (17, "'bare' is none of tables.two.rows"),
        (18, "needs `than`"),
    ):
        assert any(f"bad.yaml:{line} " in each and words in each for each in said.splitlines()), (line, words, said)


@pytest.mark.usefixtures("_toys")
def test_what_a_recipe_refuses_is_told_once_with_the_studys_line() -> None:
    Path("wrong.yaml").write_text(
        "gst: 1\n"
        "defaults: {recipe: toy.yaml}\n"
        "rows:\n"
        "  a: {seeds: [0, 1], set: {samplr.steps: 2}}\n"
        "  b:\n"
        "    set:\n"
        "      sampler.steps: many\n"
        "  c: {recipe: tyo.yaml}\n"
    )
    with pytest.raises(RecipeError) as caught:
        plan_study("wrong.yaml", store=Store())
    problems = [(p.file, p.line, p.message) for p in caught.value.problems]
    assert len(problems) == 3
    for (file, line, message), wanted, words in zip(
        problems, (4, 7, 8), ("names nothing in this recipe", "(rows: b)", "there is no recipe 'tyo.yaml'"), strict=True
    ):
        assert (file, line) == ("wrong.yaml", wanted)
        assert words in message
    assert "(rows: a)" in problems[0][2]


@pytest.mark.parametrize(
    ("value", "error", "direction", "claim", "word"),
    [
        (1.0, 0.4, "up", "better", "holds"),
        (1.0, 0.4, "down", "better", "does not hold"),
        (-1.0, 0.4, "down", "better", "holds"),
        (-1.0, 0.4, "up", "worse", "holds"),
        (1.0, 0.4, "up", None, "better"),
        (1.0, 0.4, "down", None, "worse"),
        (1.0, 0.5, "up", "better", "undecided"),  # twice its error is not larger than twice its error
        (1.01, 0.5, "up", "better", "holds"),
        (9.0, None, "up", "better", "undecided"),  # one seed
        (math.nan, 0.1, "up", "better", "undecided"),
    ],
)
def test_the_rule(value: float, error: float | None, direction: str, claim: Any, word: str) -> None:
    found = judge(Difference("new", "f1", value, low=0.1, high=2.0, p=0.001, seed_error=error), "old", direction, claim)
    assert found.word == word
    assert ("one seed" in str(found)) == (error is None)


def test_a_verdict_in_words() -> None:
    gap = Difference("new", "f1", 1.234, seed_error=0.4)
    assert str(judge(gap, "old", "up", "better")) == "holds (+1.23, se 0.40)"
    assert "larger than twice its standard error" in RULE


def scored(tiny: dict[str, Any]) -> dict[str, Any]:
    """The tiny recipe with scores and without its report."""
    made = copy.deepcopy(tiny)
    steps = made["steps"]
    # Previews stay: other tests find this training in the store and want them.
    del steps["report"]
    made["components"]["psnr"] = {"use": "psnr"}
    steps["more"] = dict(steps["rebuild"])
    steps["scores"] = {
        "use": "evaluate",
        "data": "$data.test",
        "pictures": {"model": "$sample.pictures", "rebuilt": "$rebuild.pictures"},
        "ceiling": "rebuilt",
        "metrics": ["$psnr"],
        "bootstrap": 20,
    }
    return made


def test_what_is_published(tiny_recipe: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(dump_yaml(scored(tiny_recipe)))
    study = {
        "gst": 1,
        "title": "Tiny_1",
        "defaults": {"recipe": "tiny.yaml", "seed_path": "train.seed", "set": {"steps.more": None}},
        "rows": {
            "base": {"seeds": [0, 1], "set": {"sampler.guidance": None}},
            "guided": {"seeds": [0, 1], "note": "with | guidance"},
            "short": {"set": {"sampler.steps": 2}},
        },
        "tables": {
            "guidance": {
                "title": "Guidance",
                "rows": ["base", "guided", "short"],
                "against": "base",
                "finding": "Guidance helps.",
                "claims": [{"row": "guided", "is": "better"}, {"row": "guided", "is": "worse", "than": "short"}],
                "published": ["maskgst-paper-scale"],
            }
        },
    }
    quiet = Progress(quiet=True)
    some = gst.study(study, only=["base"], out="out", progress=quiet)
    assert some.tables[0].open == {
        "guided": "0 of 2 seeds: guided-s0 waiting, guided-s1 waiting", "short": "0 of 1 seeds: short-s0 waiting"
    }  # fmt: skip
    found = gst.study(study, out="out", progress=quiet)
    (table,) = found.tables
    assert table.problem is None
    assert table.open == {}
    values = {
        name: next(
            r["value"] for r in run.metrics["scores.table"]["rows"] if (r["metric"], r["of"]) == ("psnr", "model")
        )
        for name, run in found.runs.items()
    }
    base, guided = ([values[f"{row}-s{seed}"] for seed in (0, 1)] for row in ("base", "guided"))
    gap = np.mean(guided) - np.mean(base)
    error = math.sqrt(np.var(base, ddof=1) / 2 + np.var(guided, ddof=1) / 2)
    word = "undecided" if abs(gap) <= 2 * error else "holds" if gap > 0 else "does not hold"
    first, against_short, short = table.verdicts
    assert (first.row, first.than, first.column, first.word) == ("guided", "base", "psnr", word)
    assert (first.value, first.seed_error) == (pytest.approx(gap), pytest.approx(error))
    assert (against_short.than, against_short.word) == ("short", "undecided")
    assert against_short.value == pytest.approx(np.mean(guided) - values["short-s0"])
    assert (short.row, short.claim, short.word, short.seed_error) == ("short", None, "undecided", None)

    steps = json.loads(Path("out/guided-s1/run.json").read_text())["steps"]
    other = json.loads(Path("out/guided-s0/run.json").read_text())["steps"]
    took = [s["vqvae"]["seconds"] + s["train"]["seconds"] for s in (steps, other)]
    assert steps["vqvae"]["state"] == "cached", "it has the seconds of when it was made"
    assert table.costs["guided"].training == pytest.approx(np.mean(took))
    assert table.costs["guided"].drawing == pytest.approx(np.mean([s["sample"]["seconds"] for s in (steps, other)]))
    prior = found.runs["base-s0"].outputs["train.model"]
    assert table.costs["guided"].parameters == sum(p.numel() for p in prior.parameters())

    page = Path("out/study.md").read_text()
    assert page == found.to_markdown()
    sd = np.std(guided, ddof=1)
    for words in (
        "# Tiny\\_1\n",
        "5 of 5 runs are finished, 0 failed.",
        "larger than twice its standard error over seeds",
        "To be tested: Guidance helps.",
        f"{np.mean(guided):.2f} ± {sd:.2f} [",
        "| floor |",
        "| ceiling |",
        "### Difference to base",
        f"| claimed: guided better than base | {word} (",
        "| short against base | undecided (",
        "one seed)",
        "One seed only: short.",
        "### What it took",
        "with | guidance",
        "### Published:",
    ):
        assert words in page.replace("\\", "") or words in page, words
    assert page.index("### Verdicts") < page.index("### What it took") < page.index("### Published")
    data = json.loads(Path("out/study.json").read_text())
    assert data["tables"]["guidance"]["verdicts"][0]["word"] == word
    assert data["tables"]["guidance"]["comparison"]["rows"][0]["label"] == "base"


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    from gst.cli.main import main

    monkeypatch.setattr("signal.signal", lambda *_: None)

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main(["study", *arguments])
        out = capsys.readouterr()
        return int(end.value.code or 0), out.out, out.err

    return call


@pytest.mark.usefixtures("_toys")
def test_gst_study(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from gst_toys.steps import ToyDraw

    Path("toys.yaml").write_text(dump_yaml(STUDY))
    code, out, err = command("toys.yaml", "--dry-run")
    assert code == 0, err
    assert out.splitlines()[1].split() == ["base-s0", "toy", "vq,", "train,", "draw"]
    assert out.splitlines()[-1].endswith("7 to run  ->  runs/toys-study")
    assert "warning: row 'four' is skipped: needs -s four:vq.note=..." in err
    assert not Path("runs").exists()
    plan = json.loads(command("toys.yaml", "--dry-run", "--json", "--table", "all", "--only", "two")[1])
    assert (plan["to_run"], plan["runs"][2]["new_steps"]) == (4 + 1, ["vq", "train", "draw"])

    right = ToyDraw.run
    monkeypatch.setattr(ToyDraw, "run", lambda self, context: right(self, context) if context.seed == 0 else 1 / 0)
    code, out, err = command("toys.yaml", "-s", "base:draw.seed=1", "--out", "here")
    assert (code, out) == (1, "study: here/study.md\n")
    assert "warning: base-s0 failed: ZeroDivisionError: division by zero" in err
    assert "run 4 of 4: two-s1" in err
    monkeypatch.undo()


@pytest.mark.usefixtures("_toys")
def test_an_interrupt_ends_with_130(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from gst_toys.steps import ToyDraw

    def interrupted(self: Any, context: Any) -> Any:
        raise KeyboardInterrupt

    Path("toys.yaml").write_text(dump_yaml(STUDY))
    monkeypatch.setattr(ToyDraw, "run", interrupted)
    assert command("toys.yaml", "--out", "out")[0] == 130
    assert set(states().values()) == {"waiting"}


def test_the_study_that_comes_along_is_read(root: Path) -> None:
    study = read_study(root / "studies" / "maskgst.yaml")
    main = [name for name, row in study.rows.items() if len(row.seeds) == 3]
    assert list(study.rows)[: len(main)] == main, "main rows first"
    assert {"base", "sv-b", "cg", "cg-plus", "aug", "aug-cg"} <= set(main)
    shown = {row for table in study.tables.values() for row in table.rows}
    assert shown == set(study.rows)
    assert all(table.claims for table in study.tables.values() if table.finding)
