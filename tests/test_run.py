"""Running recipes: each step once, everything about a run in its folder, nothing lost when something goes wrong."""

import io
import json
import shutil
import time
from pathlib import Path

import pytest
import torch

import gst
from gst.artifacts import Table
from gst.errors import DataError, GstError, OptionError, PluginError, StoreError, TrainingError, UsageError
from gst.execution import Run
from gst.planning import make_plan
from gst.progress import Progress
from gst.recipe import load_recipe
from gst.run import open_run, run_recipe
from gst.store import Store

RECIPE = {
    "gst": 1,
    "seed": 3,
    "output": "$draw.table",
    "components": {
        "data": {"use": "toy-data"},
        "tokenizer": {"use": "toy-tokenizer"},
        "prior": {"use": "toy-prior"},
        "sampler": {"use": "toy-sampler", "guidance": {"use": "toy-guidance"}},
    },
    "steps": {
        "vq": {"use": "toy-train", "model": "$tokenizer", "data": "$data.train"},
        "train": {"use": "toy-train", "model": "$prior", "data": "$data.train", "tokenizer": "$vq.model", "steps": 3},
        "draw": {"use": "toy-draw", "prior": "$train.model", "sampler": "$sampler", "data": "$data.test"},
        "count": {"use": "toy-count", "split": "$data.test", "factor": 2.0},
        "join": {"use": "toy-join", "tables": {"a": "$draw.table", "b": "$count.table"}},
        "page": {"use": "toy-page", "text": "hello "},
    },
    "smoke": {"train.steps": 1},
}


@pytest.fixture(autouse=True)
def _place(toys, tmp_path, monkeypatch):
    monkeypatch.setenv("GST_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)


class Told(Progress):
    """Progress that keeps what it says."""

    def __init__(self):
        self.stream = io.StringIO()
        super().__init__(self.stream)

    @property
    def text(self):
        return self.stream.getvalue()


def with_steps(**steps):
    return {**RECIPE, "steps": {**RECIPE["steps"], **steps}}


def states(run):
    return {planned.name: planned.state for planned in run.plan}


def value(run, key="join.table"):
    return run.outputs[key].rows[0]["value"]


def test_a_run_gives_what_its_steps_give():
    run = run_recipe(RECIPE)
    number = run.outputs["train.model"].number.item()
    assert value(run, "draw.table") == pytest.approx(number * 2)
    assert value(run) == pytest.approx(number * 2 + 8)
    assert run.metrics["join.table"]["rows"] == run.outputs["join.table"].rows
    assert set(run.outputs) == {"vq.model", "train.model", "draw.table", "count.table", "join.table", "page.page"}
    with pytest.raises(KeyError):
        run.outputs["nothing.table"]


def test_the_folder_of_a_run_tells_everything():
    run = run_recipe(RECIPE, ["train.steps=2"])
    assert run.dir == Path("runs/recipe")
    assert json.loads((run.dir / "metrics.json").read_text())["join.table"]["rows"][0]["metric"] == "sum"
    lock = json.loads((run.dir / "lock.json").read_text())
    assert set(lock["fingerprints"]) == set(RECIPE["steps"])
    assert lock["packages"]["torch"] == torch.__version__.partition("+")[0]
    assert lock["plugins"]["gst-toys"]["version"] == "1.0"
    assert lock["runtime"]["threads"] == torch.get_num_threads()
    assert set(lock["data"]) == {"$data.train", "$data.test"}
    assert lock["seeds"]["train"] == 3
    state = json.loads((run.dir / "run.json").read_text())
    assert state["status"] == "finished"
    assert state["output"] == "draw.table"
    assert {step["state"] for step in state["steps"].values()} == {"done"}
    lines = [json.loads(line) for line in (run.dir / "metrics.jsonl").read_text().splitlines()]
    assert [line["iteration"] for line in lines if line["step"] == "train"] == [1, 2]
    outputs = json.loads((run.dir / "outputs.json").read_text())
    assert (Path(outputs["join.table"]["path"]) / "table.json").is_file()
    assert (run.dir / "index.html").read_text().startswith("hello ")
    again = load_recipe(run.dir / "recipe.yaml")
    assert again.steps["train"].options["steps"] == 2
    assert run_recipe(again, out=run.dir).nothing_to_do


def test_a_second_run_does_nothing_and_keeps_its_folder():
    first = run_recipe(RECIPE)
    told = Told()
    started = time.monotonic()
    second = run_recipe(RECIPE, progress=told)
    assert time.monotonic() - started < 10
    assert second.nothing_to_do
    assert "nothing to do" in told.text
    assert second.dir == first.dir
    assert states(second) == {n: "always" if n == "page" else "cached" for n in RECIPE["steps"]}
    assert value(second) == value(first)
    assert second.seconds == {}


def test_another_recipe_shares_what_is_equal_and_gets_its_own_folder():
    first = run_recipe(RECIPE)
    second = run_recipe(RECIPE, ["sampler.steps=5"])
    assert second.dir == Path("runs/recipe-2")
    assert {n for n, s in states(second).items() if s == "run"} == {"draw", "join"}
    assert value(second, "draw.table") == pytest.approx(value(first, "draw.table") / 2 * 5)
    assert run_recipe(RECIPE).dir == first.dir
    assert run_recipe(RECIPE, ["sampler.steps=5"]).dir == second.dir
    # What a step logged comes along although it ran for another run.
    lines = [json.loads(line) for line in (second.dir / "metrics.jsonl").read_text().splitlines()]
    assert [line["iteration"] for line in lines if line["step"] == "train"] == [1, 2, 3]


def test_two_runs_planned_at_once_do_not_share_a_folder():
    told = Told()
    planned = [Run(load_recipe(RECIPE, [f"seed={seed}"]), Store(), None, told) for seed in (1, 2)]
    assert planned[0].dir == planned[1].dir
    for run in planned:
        run.execute(make_plan(run, run.graph.order, (), probe=False))
    assert [run.dir for run in planned] == [Path("runs/recipe"), Path("runs/recipe-2")]
    assert "another run took runs/recipe; this one goes to runs/recipe-2" in told.text
    assert [open_run(run.dir).recipe.seed for run in planned] == [1, 2]


def test_seeds_reach_the_steps_they_are_for():
    values = {
        run_recipe(RECIPE, overrides).outputs["train.model"].number.item()
        for overrides in ([], ["seed=4"], ["train.seed=4"], ["train.seed=5"])
    }
    assert len(values) == 3  # the seed of the recipe and the same seed of the step give the same training
    assert {p.name for p in run_recipe(RECIPE, ["train.seed=6"]).plan if p.state == "run"} == {"train", "draw", "join"}


def test_smoke_runs_are_marked_and_smaller():
    run = run_recipe(RECIPE, smoke=True)
    assert run.dir == Path("runs/recipe-smoke")
    assert run.recipe.steps["train"].options["steps"] == 1


def test_only_from_until_and_force():
    with pytest.raises(UsageError, match="step 'draw' needs what 'train' gives"):
        run_recipe(RECIPE, only=["draw"])
    until = run_recipe(RECIPE, until="train")
    assert {n for n, s in states(until).items() if s == "run"} == {"vq", "train"}
    assert states(until)["join"] == "skipped"
    only = run_recipe(RECIPE, only=["draw"])
    assert [n for n, s in states(only).items() if s == "run"] == ["draw"]
    with pytest.raises(UsageError, match="step 'join' needs what 'count' gives"):
        run_recipe(RECIPE, from_="draw")
    run_recipe(RECIPE, only=["count"])
    after = run_recipe(RECIPE, from_="draw")
    assert states(after) == {
        "vq": "skipped", "train": "skipped", "draw": "cached", "count": "skipped", "join": "run", "page": "skipped",
    }  # fmt: skip


def test_force_runs_a_step_again_and_no_other():
    first = run_recipe(RECIPE)
    again = run_recipe(RECIPE, force=["train"])
    assert list(again.seconds) == ["train"]
    assert value(again) == value(first)
    with pytest.raises(UsageError, match="no step 'trian'"):
        run_recipe(RECIPE, force=["trian"])


def test_a_dry_run_says_what_it_would_do_and_does_nothing():
    told = Told()
    run = run_recipe(RECIPE, dry_run=True, progress=told)
    assert not Path("runs").exists()
    assert not Path("store").exists()
    estimates = {planned.name: planned.estimate for planned in run.plan}
    assert estimates["vq"].seconds == 60.0
    assert estimates["train"].seconds == 180.0, "probed on a stand-in of the tokenizer that is not trained yet"
    assert estimates["draw"].seconds == 2.0, "probed on stand-ins of stand-ins"
    assert estimates["count"] is None
    assert "~4 min 2 s+" in told.text
    assert "known when it runs" in told.text


def test_what_was_measured_before_is_the_estimate():
    run_recipe(RECIPE)
    run = run_recipe(RECIPE, ["seed=9"], dry_run=True)
    assert all(p.estimate.seconds < 30 for p in run.plan if p.state == "run"), "same sizes, another seed: measured"
    run = run_recipe(RECIPE, ["train.steps=4"], dry_run=True)
    assert {p.name: p.estimate for p in run.plan}["train"].seconds == 240.0, "another size: probed"


def test_a_mistake_in_a_late_step_is_found_before_the_first_one_runs():
    with pytest.raises(OptionError, match=r"step 'train': .*dim 3 is odd"):
        run_recipe(RECIPE, ["prior.dim=3"])
    assert not Path("store/objects").exists()


def test_too_small_a_disk_is_found_before_it_starts(monkeypatch):
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=100))
    with pytest.raises(StoreError, match=r"needs about .* where 100 B are free"):
        run_recipe(RECIPE)


def test_missing_data_end_it_before_it_starts():
    with pytest.raises(DataError, match="no folder 'toys'"):
        run_recipe(RECIPE, ["data.missing=true"])


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ("error", TrainingError, "step 'fail': the loss is not a number"),
        ("full", StoreError, "step 'fail': the disk is full"),
        ("wrong", PluginError, "'table' is missing; 'tables' is not declared"),
        ("bug", ZeroDivisionError, "by zero"),
    ],
)
def test_a_failed_step_is_named_and_the_others_stay(how, error, message):
    recipe = with_steps(fail={"use": "toy-fail", "how": how, "after": "$join.table"})
    with pytest.raises(error, match=message) as caught:
        run_recipe(recipe)
    assert how != "bug" or "step 'fail'" in caught.value.__notes__[0]
    state = json.loads(Path("runs/recipe/run.json").read_text())
    assert state["status"] == "failed"
    assert state["steps"]["fail"]["state"] == "failed"
    assert state["steps"]["join"]["state"] == "done"
    assert json.loads(Path("runs/recipe/metrics.json").read_text())["join.table"]
    assert run_recipe(RECIPE).nothing_to_do


def test_a_damaged_entry_is_never_used():
    run = run_recipe(RECIPE)
    outputs = json.loads((run.dir / "outputs.json").read_text())
    weights = Path(outputs["train.model"]["path"]) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(StoreError, match=r"model\.safetensors is not what was written") as caught:
        run_recipe(RECIPE, ["sampler.steps=5"])
    assert "--force" in caught.value.hint
    assert run_recipe(RECIPE, ["sampler.steps=5"], force=["train"]).seconds.keys() == {"train", "draw", "join"}


def test_an_interrupted_step_goes_on_from_its_scratch_folder(monkeypatch):
    recipe = with_steps(slow={"use": "toy-slow", "parts": 4, "seconds": 0.01})

    class Stop(BaseException):
        pass

    def interrupt(seconds):
        if len(list(Path("store/work").glob("*/part-*"))) == 2:
            raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(time, "sleep", interrupt)
        with pytest.raises(Stop):
            run_recipe(recipe)
    assert json.loads(Path("runs/recipe/run.json").read_text())["status"] == "interrupted"
    run = run_recipe(recipe)
    assert states(run)["slow"] == "resume"
    assert run.outputs["slow.table"].about == {"begun": 2}
    lines = [json.loads(line) for line in (run.dir / "metrics.jsonl").read_text().splitlines()]
    assert [line["iteration"] for line in lines if line["step"] == "slow"] == [0, 1, 2, 3]
    assert list(Path("store/work").iterdir()) == []


def test_the_page_is_renewed_while_the_run_goes_on():
    run = run_recipe(RECIPE)
    shown = (run.dir / "refreshed.txt").read_text().splitlines()
    assert shown[0] == "", "asked for by the first training step, when nothing was finished"
    assert "vq=1" in shown
    assert shown[-1] == "vq=1,train=1,draw=1,count=1,join=1"


def test_out_is_the_folder_and_nothing_else_is_overwritten(tmp_path):
    run = run_recipe(RECIPE, out=tmp_path / "here")
    assert run.dir == tmp_path / "here"
    assert run_recipe(RECIPE, out=tmp_path / "here").nothing_to_do
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="is no run"):
        run_recipe(RECIPE, out=tmp_path / "mine")


def test_hooks_are_called_and_may_fail(monkeypatch):
    from gst import hookimpl, plugins

    seen = []

    class Watcher:
        @hookimpl
        def gst_run_start(self, run):
            seen.append(("start", run.dir))

        @hookimpl
        def gst_step_end(self, step, result):
            seen.append((step, dict(result).keys()))
            if step == "vq":
                raise RuntimeError("a plugin's mistake")

    plugins._load()[1].register(Watcher())
    told = Told()
    run = run_recipe(RECIPE, progress=told)
    assert seen[0] == ("start", run.dir)
    assert [step for step, _ in seen[1:]] == list(run.recipe.steps)
    assert seen[1][1] == {"model"}
    assert "a plugin's mistake" in told.text


def test_trackers_are_told_and_one_that_fails_stops_nothing():
    from gst import hookimpl, plugins
    from gst.kinds import Tracker

    class Board(Tracker):
        def __init__(self):
            self.seen = []

        def log(self, step, iteration, scalars):
            if step == "vq":
                self.seen.append((step, iteration, scalars["loss"]))

        def close(self):
            self.seen.append("closed")

    class Broken(Board):
        def log(self, step, iteration, scalars):
            raise RuntimeError("no network")

    boards = {"board": Board(), "broken": Broken()}

    class Opener:
        @hookimpl
        def gst_open_tracker(self, name):
            return boards.get(name)

    plugins._load()[1].register(Opener())
    run = run_recipe(RECIPE, ["runtime.trackers=[broken, board]"])
    assert boards["board"].seen == [("vq", 1, run.outputs["vq.model"].number.item()), "closed"]
    assert boards["broken"].seen == ["closed"]
    with pytest.raises(PluginError, match="no-such-tracker"):
        run_recipe(RECIPE, ["runtime.trackers=[no-such-tracker]"])


def test_a_run_can_be_opened_later():
    run = run_recipe(RECIPE, smoke=True)
    opened = open_run(run.dir)
    assert (opened.recipe.name, opened.recipe.smoke) == ("recipe", True)
    assert torch.equal(opened.outputs["train.model"].number, run.outputs["train.model"].number)
    assert opened.option("draw", "sampler").steps == 2
    assert opened.option("draw", "prior").use == "toy-prior"
    assert opened.metrics == run.metrics
    assert set(opened.outputs) == set(run.outputs)
    with pytest.raises(UsageError, match="there is no run"):
        open_run("runs/none")


def test_an_opened_run_whose_store_is_gone_says_so():
    run = run_recipe(RECIPE)
    shutil.rmtree("store/objects")
    with pytest.raises(StoreError, match=r"train\.model is not in the store"):
        open_run(run.dir).outputs["train.model"]


def test_steps_get_artifacts_of_their_own():
    """What a step does to an artifact is not seen by the next one."""
    run = run_recipe(RECIPE)
    model = run.outputs["train.model"]
    with torch.no_grad():
        model.number.fill_(99.0)
    assert open_run(run.dir).outputs["train.model"].number.item() != 99.0


def test_the_store_is_where_it_is_told(tmp_path):
    run = run_recipe(RECIPE, store=Store(tmp_path / "elsewhere"))
    assert (tmp_path / "elsewhere" / "objects").is_dir()
    assert not (tmp_path / "store").exists()
    assert isinstance(open_run(run.dir).outputs["join.table"], Table)


def test_every_error_of_a_recipe_is_a_gst_error():
    for broken in ({}, {"gst": 1}, {"gst": 1, "steps": []}, {"gst": 1, "steps": {"a": {"use": "nope"}}}):
        with pytest.raises(GstError):
            gst.run_recipe(broken)
