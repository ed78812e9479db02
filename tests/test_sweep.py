"""Sweeps: every combination once, shared steps once, going on after a stop, failed cells that stop no other."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gst
from gst.errors import GstError, RecipeError, UsageError
from gst.grid import make_cells, read_grid
from gst.progress import Progress
from gst.recipe.load import load_recipe
from gst.run import open_run
from gst.store import Store
from gst.sweep_plan import plan_sweep
from gst.sweeping import CellResult, run_sweep, tabulate

RECIPE: dict[str, Any] = {
    "gst": 1,
    "components": {
        "data": {"use": "toy-data"},
        "tokenizer": {"use": "toy-tokenizer"},
        "prior": {"use": "toy-prior"},
        "sampler": {"use": "toy-sampler"},
    },
    "steps": {
        "vq": {"use": "toy-train", "model": "$tokenizer", "data": "$data.train", "seed": 0},
        "train": {"use": "toy-train", "model": "$prior", "data": "$data.train", "tokenizer": "$vq.model"},
        "draw": {"use": "toy-draw", "prior": "$train.model", "sampler": "$sampler", "data": "$data.test"},
        "count": {"use": "toy-count", "split": "$data.test", "seed": 0},
        "page": {"use": "toy-page"},
    },
}
GRID = {"components.sampler.steps": [1, 2, 4], "seed": [0, 1]}
# vq and count are the same in all six cells, train in the three of a seed, draw differs in each; page is always made.
COUNTS = {"steps": 24, "different": 1 + 1 + 2 + 6, "stored": 0, "to_run": 10}


@pytest.fixture(autouse=True)
def _place(toys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GST_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("GST_TOYS_LOG", str(tmp_path / "log"))
    monkeypatch.chdir(tmp_path)


def sweep(grid: Any = None, *, recipe: Any = None, **options: Any) -> list[CellResult]:
    store = Store()
    plan = plan_sweep(recipe or RECIPE, grid or GRID, out="sweep", store=store, **options)
    return run_sweep(plan, store=store, progress=Progress(quiet=True))


def state() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path("sweep/sweep.json").read_text())
    return found


def test_every_cell_is_the_run_it_would_be_alone() -> None:
    runs = gst.sweep(RECIPE, GRID, out="sweep", progress=Progress(quiet=True))
    assert [run.dir.name for run in runs] == [f"steps={n},seed={s}" for n in (1, 2, 4) for s in (0, 1)]
    for run, (steps, seed) in zip(runs, product((1, 2, 4), (0, 1)), strict=True):
        alone = gst.run_recipe(RECIPE, [f"sampler.steps={steps}", f"seed={seed}"], store=Store(Path("other")))
        assert run.metrics["draw.table"] == alone.metrics["draw.table"]
        assert run.recipe.seed == seed
        assert open_run(run.dir).metrics == run.metrics
    assert len({run.metrics["draw.table"]["rows"][0]["value"] for run in runs}) == 6


def test_what_cells_share_is_planned_and_done_once(tmp_path: Path) -> None:
    plan = plan_sweep(RECIPE, GRID, store=Store())
    assert plan.dir == Path("runs/recipe-sweep")
    assert plan.counts() == COUNTS
    assert plan.headline() == "6 cells of 24 steps: 10 different ones, 0 are in the store, 10 to run"
    assert [cell.new for cell in plan.runs][:3] == [("vq", "train", "draw", "count"), ("train", "draw"), ("draw",)]
    assert not Path("runs").exists()
    results = sweep()
    ran = [name for result in results if result.run is not None for name in result.run.seconds]
    assert sorted(ran) == sorted(["vq", "count", *["train"] * 2, *["draw"] * 6])
    assert (tmp_path / "log").read_text() == "count\n"
    again = plan_sweep(RECIPE, GRID, out="sweep", store=Store())
    assert again.counts() == {**COUNTS, "stored": 10, "to_run": 0}
    more = plan_sweep(RECIPE, {**GRID, "seed": [0, 1, 2]}, out="sweep", store=Store())
    assert more.counts()["to_run"] == 1 + 3
    assert more.seconds is not None, "measured in the sweep before"


def test_it_goes_on_where_it_stopped() -> None:
    class Stopped(Progress):
        def say(self, line: str) -> None:
            if line.startswith("cell 4"):
                raise KeyboardInterrupt

    store = Store()
    plan = plan_sweep(RECIPE, GRID, out="sweep", store=store)
    with pytest.raises(KeyboardInterrupt):
        run_sweep(plan, store=store, progress=Stopped(quiet=True))
    assert [cell["state"] for cell in state()["cells"]] == ["finished"] * 3 + ["waiting"] * 3
    results = sweep()
    assert [r.run.nothing_to_do for r in results if r.run is not None] == [True] * 3 + [False] * 3
    assert {cell["state"] for cell in state()["cells"]} == {"finished"}


def test_a_failed_cell_is_reported_and_the_rest_goes_on() -> None:
    recipe = {**RECIPE, "steps": {**RECIPE["steps"], "odd": {"use": "toy-fail", "how": "error"}}}
    grid = {"odd.how": ["error", "bug"], "sampler.steps": [1, 2]}
    results = sweep(grid, recipe=recipe)
    assert [r.run for r in results] == [None] * 4
    assert results[0].error == "step 'odd': the loss is not a number"
    assert results[1].error == "as in how=error,steps=1: step 'odd': the loss is not a number", "not tried again"
    assert results[2].error == "ZeroDivisionError: by zero"
    assert not (results[1].planned.dir / "run.json").exists()
    assert [cell["state"] for cell in state()["cells"]] == ["failed"] * 4
    assert state()["cells"][2]["error"] == "ZeroDivisionError: by zero"


def test_one_cell_fails_the_others_have_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    from gst_toys.steps import ToyDraw

    right = ToyDraw.run
    monkeypatch.setattr(
        ToyDraw, "run", lambda self, context: right(self, context) if self.sampler.steps != 2 else 1 / 0
    )
    results = sweep()
    assert [r.error is None for r in results] == [True, True, False, False, True, True]
    columns, rows = tabulate(results)
    assert columns == ["cell", "drawn", "count"]
    assert rows[2] == ["steps=2,seed=0", None, None]
    assert rows[4][1] == pytest.approx(4 * rows[0][1])
    assert [row[2] for row in rows] == [4.0, 4.0, None, None, 4.0, 4.0]
    with pytest.raises(GstError, match=r"2 of 6 cells failed: steps=2,seed=0: ZeroDivisionError: division by zero"):
        gst.sweep(RECIPE, GRID, out="sweep", progress=Progress(quiet=True))


def test_numbers_are_those_of_the_first_pictures_without_parts() -> None:
    results = sweep({"seed": [0]})
    run = results[0].run
    assert run is not None
    rows = [
        {"metric": "f1", "of": "model", "value": 1.0, "low": 0.5, "high": 1.5, "direction": "up"},
        {"metric": "f1/Ann", "of": "model", "value": 2.0},
        {"metric": "f1", "of": "real", "value": 3.0},
    ]
    metrics = {"scores.table": {"rows": rows}, "pairs.table": {"rows": rows[:1]}, "empty.table": {"rows": []}}
    result = CellResult(results[0].planned, type(run)(**{**vars(run), "metrics": metrics}))
    assert {name: row["value"] for name, row in result.numbers().items()} == {"scores: f1": 1.0, "pairs: f1": 1.0}
    assert tabulate([result])[0] == ["cell", "scores: f1", "pairs: f1"]


def test_a_mistake_at_one_value_is_found_before_anything_runs() -> None:
    with pytest.raises(RecipeError, match="sampler"):
        sweep({"sampler.steps": [1, "many"]})
    with pytest.raises(RecipeError, match="names nothing in this recipe"):
        sweep({"samplr.steps": [1, 2]})
    with pytest.raises(UsageError, match="'seed' is set for all cells and tried at several values"):
        sweep(overrides=["seed=3"])
    Path("sweep").mkdir()
    Path("sweep/mine.txt").write_text("keep")
    with pytest.raises(UsageError, match="is there and is no sweep"):
        sweep()
    assert not Path("store").exists()


_VALUE = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-1e9, 1e9) | st.text(max_size=6)
_NESTED = _VALUE | st.lists(_VALUE, max_size=3) | st.dictionaries(st.text(max_size=3), _VALUE, max_size=2)


def _unlike(values: list[Any]) -> bool:
    return len({json.dumps(value, sort_keys=True) for value in values}) == len(values)


@given(
    grid=st.dictionaries(
        st.sampled_from(["seed", "a.b", "c.b", "x.a.b", "components.y"]),
        st.lists(_NESTED, min_size=1, max_size=4).filter(_unlike),
        min_size=1,
    )
)
def test_cells_have_names_of_their_own_that_folders_can_have(grid: dict[str, list[Any]]) -> None:
    cells = make_cells(grid)
    assert [list(cell.values.values()) for cell in cells] == [list(values) for values in product(*grid.values())]
    names = [cell.name for cell in cells]
    assert len(set(names)) == len(names)
    assert all(name and "/" not in name and name not in (".", "..") and len(name.encode()) < 255 for name in names)


@given(value=_NESTED)
def test_values_reach_the_recipe_as_they_are(value: Any) -> None:
    cell = make_cells({"title": [value]})[0]
    from gst.recipe.overrides import from_command_line

    ((path, node),) = from_command_line(cell.overrides)
    assert (path, node.plain()) == ("title", value)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["seed"], r"this is not PATH=\[VALUE, ...\]"),
        (["seed=1"], r"this is not PATH=\[VALUE, ...\]"),
        (["=[1]"], r"this is not PATH=\[VALUE, ...\]"),
        (["seed=[1"], "is not YAML"),
        (["seed=[1]", "seed=[2]"], "stands twice"),
    ],
)
def test_grids_that_cannot_be_read(texts: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_grid(texts)


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({}, "the grid is empty"),
        ({"seed": []}, "'seed' needs a list of values"),
        ({"seed": "012"}, "'seed' needs a list of values"),
        ({"seed": [1, 2, 1]}, "'seed' has 1 twice"),
        ({"seed": [object()]}, "no recipe can hold"),
    ],
)
def test_grids_that_make_no_sense(grid: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make_cells(grid)


def test_read_grid_reads_yaml() -> None:
    texts = ["prior.layers=[[full, sv], [full]]", " lr = [1e-4, 0.1]"]
    assert read_grid(texts) == {"prior.layers": [["full", "sv"], ["full"]], "lr": [1e-4, 0.1]}


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    from gst.cli.main import main
    from gst.rundir import dump_yaml

    Path("toy.yaml").write_text(dump_yaml(RECIPE))
    monkeypatch.setattr("signal.signal", lambda *_: None)

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main(["sweep", "toy.yaml", *arguments])
        out = capsys.readouterr()
        return int(end.value.code or 0), out.out, out.err

    return call


def test_gst_sweep(command: Any) -> None:
    grid = ["--grid", "sampler.steps=[1, 2]", "--grid", "seed=[0, 1]"]
    code, out, _ = command(*grid, "--dry-run")
    assert code == 0
    assert out.splitlines()[1] == "steps=1,seed=0  vq, train, draw, count"
    assert out.splitlines()[-1] == (
        "4 cells of 16 steps: 8 different ones, 0 are in the store, 8 to run  ->  runs/toy-sweep"
    )
    assert not Path("runs").exists()
    plan = json.loads(command(*grid, "--dry-run", "--json")[1])
    assert (plan["different"], plan["to_run"]) == (8, 8)
    assert {cell["state"] for cell in plan["cells"]} == {"waiting"}
    code, out, err = command(*grid, "-s", "count.factor=3")
    assert code == 0, err
    assert [line.split()[0] for line in out.splitlines()] == [
        "cell", *(f"steps={n},seed={s}" for n in (1, 2) for s in (0, 1)), "sweep:",
    ]  # fmt: skip
    assert out.splitlines()[1].split()[2] == "12"
    assert "cell 4 of 4: steps=2,seed=1" in err
    found = json.loads(command(*grid, "-s", "count.factor=3", "--json")[1])
    assert found["cells"][3]["numbers"]["count: count"]["value"] == 12.0
    assert found["to_run"] == 0
    assert load_recipe("runs/toy-sweep/steps=2,seed=1/recipe.yaml").seed == 1


def test_gst_sweep_fails_with_1(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from gst_toys.steps import ToyCount

    monkeypatch.setattr(ToyCount, "run", lambda self, context: 1 / 0)
    code, out, err = command("--grid", "count.factor=[1.0, 2.0]")
    assert code == 1
    assert "warning: factor=1.0 failed: ZeroDivisionError: division by zero" in err
    assert "factor=2.0" in out
    assert command("--grid", "seed=1")[0] == 2
    assert command("--grid", "prior.dimm=[1]")[0] == 3


def test_progress_says_which_cell() -> None:
    told = io.StringIO()
    gst.sweep(RECIPE, {"seed": [0, 1]}, out="sweep", progress=Progress(told))
    assert "cell 2 of 2: seed=1" in told.getvalue()
