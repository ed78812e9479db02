"""The commands that deal with recipes, runs and the store: exit codes, streams, JSON, signals."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gst.cli.main import main

RECIPE = """\
# Toys: counts and draws.
gst: 1
seed: 3
components:
  data: {use: toy-data}
  tokenizer: {use: toy-tokenizer}
  prior: {use: toy-prior}
  sampler: {use: toy-sampler, steps: 4}
steps:
  vq: {use: toy-train, model: $tokenizer, data: $data.train}
  train: {use: toy-train, model: $prior, data: $data.train, tokenizer: $vq.model}
  draw: {use: toy-draw, prior: $train.model, sampler: $sampler, data: $data.test}
  page: {use: toy-page}
smoke:
  sampler.steps: 1
"""


@pytest.fixture(autouse=True)
def _place(toys, tmp_path, monkeypatch):
    monkeypatch.setenv("GST_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    Path("toys.yaml").write_text(RECIPE)
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def call(capsys):
    """`gst` in this process: (exit code, stdout, stderr)."""

    def run(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        out, err = capsys.readouterr()
        return ended.value.code, out, err

    return run


def test_run_prints_the_numbers_and_says_the_rest_on_stderr(call):
    code, out, err = call("run", "toys.yaml")
    assert code == 0
    assert re.search(r"metric +draw\ndrawn +[-\d.]+\n", out)
    assert out.rstrip().endswith("report: runs/toys/index.html")
    assert "to run" in err
    assert "train: done in" in err
    code, out, err = call("run", "toys.yaml")
    assert code == 0
    assert "nothing to do" in err


def test_two_steps_that_score_print_two_tables(call):
    text = RECIPE.replace(
        "  page:", "  again: {use: toy-draw, prior: $train.model, sampler: $sampler, data: $data.train}\n  page:"
    )
    Path("toys.yaml").write_text(text)
    _, out, _ = call("run", "toys.yaml")
    found = re.findall(r"^(\w+):\nmetric +(\w+)\ndrawn +([-\d.]+)\n", out, re.MULTILINE)
    tables = json.loads(Path("runs/toys/metrics.json").read_text())
    assert [(step, of, float(value)) for step, of, value in found] == [
        (step, row["of"], pytest.approx(row["value"], rel=1e-3))
        for step in ("draw", "again")
        for row in tables[f"{step}.table"]["rows"]
    ]


def test_run_as_json(call):
    _, out, _ = call("run", "toys.yaml", "--json", "-s", "sampler.steps=2")
    found = json.loads(out)
    assert found["run"] == "runs/toys"
    assert found["nothing_to_do"] is False
    assert [step["name"] for step in found["steps"]] == ["vq", "train", "draw", "page"]
    assert found["metrics"]["draw.table"]["rows"][0]["metric"] == "drawn"
    assert json.loads(call("run", "toys.yaml", "--json", "-s", "sampler.steps=2")[1])["nothing_to_do"] is True


def test_a_dry_run_prints_the_plan_on_stdout(call):
    code, out, _ = call("run", "toys.yaml", "--dry-run")
    assert code == 0
    assert re.search(r"train +toy-train +to run +~1 min 0 s", out)
    assert not Path("runs").exists()


def test_smoke_only_until_force(call):
    assert call("run", "toys.yaml", "--smoke", "--until", "train")[0] == 0
    assert Path("runs/toys-smoke").is_dir()
    found = json.loads(call("run", "toys.yaml", "--smoke", "--force", "vq", "--only", "vq", "--json")[1])
    assert {step["name"]: step["plan"] for step in found["steps"]}["vq"] == "run"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run", "none.yaml"], 2, "There is no recipe 'none.yaml'"),
        (["run", "toys.yaml", "--until", "trian"], 2, "Did you mean 'train'?"),
        (["run", "toys.yaml", "-s", "seed"], 2, "this is not PATH=VALUE"),
        (["run", "toys.yaml", "-s", "prior.dims=2"], 3, "-s prior.dims=2  components.prior.dims"),
        (["run", "toys.yaml", "-s", "pryor.dim=2"], 3, "Did you mean 'prior'?"),
        (["run", "toys.yaml", "-s", "seed=[1"], 3, "is not YAML"),
        (["run", "toys.yaml", "-s", "prior.dim=3"], 2, "dim 3 is odd"),
        (["run", "toys.yaml", "-s", "data.missing=true"], 1, "there is no folder 'toys'"),
        (["run", "toys.yaml", "-s", "draw={use: toy-fail}"], 1, "step 'draw': the loss is not a number"),
        (["run", "toys.yaml", "-s", "draw={use: toy-fail, how: full}"], 1, "the disk is full"),
        (["run", "toys.yaml", "-s", "draw={use: toy-fail, how: wrong}"], 4, "'table' is missing"),
        (["check", "toys.yaml", "-s", "prior.use=maskgts"], 3, "Did you mean 'maskgst'"),
        (["show", "toys.yaml", "--why", "nothing.here"], 2, "names nothing"),
        (["show", "toys.yaml", "--filled", "--diff"], 2, "cannot be shown at once"),
        (["cp", "nothing", "x.yaml"], 2, "There is no recipe"),
        (["cp", "toys.yaml", "toys.yaml"], 2, "is there already"),
        (["cp", "toys.yaml", "no/such/folder.yaml"], 1, "cannot be written"),
    ],
)
def test_mistakes_have_their_exit_code_and_no_traceback(arguments, code, message, call):
    found, out, err = call(*arguments)
    assert (found, "Traceback" in err) == (code, False), err
    assert message in err
    assert out == "" or arguments[0] == "run"


def test_check(call):
    code, out, _ = call("check", "toys.yaml")
    assert (code, out) == (0, "toys.yaml is valid: 4 components, 4 steps.\n")
    Path("toys.yaml").write_text(RECIPE.replace("steps: 4", "stebs: 4").replace("$prior", "$pryor"))
    code, out, err = call("check", "toys.yaml")
    assert (code, out) == (3, "")
    assert "2 problems in the recipe:" in err
    assert "toys.yaml:8  components.sampler.stebs" in err
    assert "toys.yaml:11  steps.train.model" in err
    code, out, _ = call("check", "toys.yaml", "--json")
    assert code == 3
    assert [(p["line"], p["where"]) for p in json.loads(out)["problems"]] == [
        (8, "components.sampler.stebs"),
        (11, "steps.train.model"),
    ]


def test_show_is_a_recipe_again(call):
    _, out, _ = call("show", "toys.yaml", "-s", "prior.dim=8")
    Path("shown.yaml").write_text(out)
    _, filled, _ = call("show", "toys.yaml", "--filled", "-s", "prior.dim=8")
    Path("filled.yaml").write_text(filled)
    call("run", "toys.yaml", "-s", "prior.dim=8")
    for name in ("shown", "filled"):
        assert json.loads(call("run", f"{name}.yaml", "--json")[1])["nothing_to_do"], name
    assert "characters: false" in filled


def test_show_diff_why_graph(call):
    Path("mine.yaml").write_text("extends: toys.yaml\ncomponents:\n  sampler: {steps: 9}\n")
    assert json.loads(call("show", "toys.yaml", "--diff", "--json")[1]) == [
        {"path": "components.sampler.steps", "value": 4, "before": 2, "place": "toys.yaml:8"},
        {"path": "steps.train.tokenizer", "value": "$vq.model", "before": None, "place": "toys.yaml:11"},
    ]
    assert json.loads(call("show", "mine.yaml", "--diff", "--json")[1]) == [
        {"path": "components.sampler.steps", "value": 9, "before": 4, "place": "mine.yaml:3"}
    ]
    _, out, _ = call("show", "mine.yaml", "--why", "sampler.steps")
    assert out.splitlines() == [
        "components.sampler.steps: 9  (recipe, written in mine.yaml:3)",
        "  overrides 4, written in toys.yaml:8",
        "  int, default 2: how many.",
    ]
    assert "(default)" in call("show", "mine.yaml", "--why", "prior.dim")[1]
    assert "(command line, written in -s seed=5)" in call("show", "mine.yaml", "-s", "seed=5", "--why", "seed")[1]
    _, out, _ = call("show", "mine.yaml", "--graph")
    assert re.search(r"draw +toy-draw +\$train\.model, \$sampler, \$data\.test +\$draw\.table", out)


def test_recipes_and_cp(call):
    found = json.loads(call("recipes", "--json")[1])
    assert {"maskgst_cg"} <= {recipe["name"] for recipe in found}
    assert all(Path(recipe["path"]).is_file() for recipe in found)
    code, out, _ = call("cp", "maskgst_cg", "mine.yaml")
    assert (code, out) == (0, "mine.yaml\n")
    assert (
        Path("mine.yaml").read_text() == Path(found[[r["name"] for r in found].index("maskgst_cg")]["path"]).read_text()
    )


def test_cp_keeps_bases_findable(call):
    Path("deep").mkdir()
    Path("child.yaml").write_text("# A child.\nextends: toys.yaml  # its base\nseed: 4\n")
    assert call("cp", "child.yaml", "deep")[0] == 0
    text = Path("deep/child.yaml").read_text()
    assert text.startswith("# A child.\nextends: /")
    assert text.endswith("  # its base\nseed: 4\n")
    assert call("check", "deep/child.yaml")[0] == 0


def test_runs_and_store(call):
    assert call("runs")[1:] == ("", "There are no runs in runs.\n")
    call("run", "toys.yaml")
    (run,) = json.loads(call("runs", "--json")[1])
    assert (run["dir"], run["status"]) == ("runs/toys", "finished")
    assert re.search(r"runs/toys +finished +4/4", call("runs")[1])
    found = json.loads(call("store", "ls", "--json")[1])
    assert {item["info"]["step"] for item in found} == {"vq", "train", "draw"}
    assert {item["state"] for item in found} == {"used"}
    assert json.loads(call("store", "du", "--json")[1])["total"]["count"] == 3
    assert json.loads(call("store", "gc", "--json")[1]) == []
    Path("runs/toys/run.json").unlink()
    assert len(json.loads(call("store", "gc", "--dry-run", "--json")[1])) == 3
    assert "3 removed" in call("store", "gc")[1]
    assert json.loads(call("store", "ls", "--json")[1]) == []


SLOW = """\
gst: 1
components:
  data: {use: toy-data}
steps:
  count: {use: toy-count, data: $data}
  slow: {use: toy-slow, parts: 4, seconds: 0.01, gate: gate}
"""


def started(toys, *arguments):
    """`gst run` in a process of its own, once it says something of its slow step; and what it said."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gst", "run", *arguments],
        env={**os.environ, "PYTHONPATH": str(toys), "GST_TOYS_LOG": "log.txt"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    said = ""
    while "slow: " not in said:
        line = process.stderr.readline()
        assert line, f"it ended before its slow step:\n{said}"
        said += line
    return process, said


def wait_for(pattern):
    deadline = time.monotonic() + 60
    while not list(Path("store").glob(pattern)):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_killed_then_stopped_then_two_at_once(toys):
    """What was finished stays, what was begun goes on, and of two processes one does it and the other waits."""
    Path("slow.yaml").write_text(SLOW)
    process, _ = started(toys, "slow.yaml")
    wait_for("work/*/part-1")
    process.kill()
    process.communicate()
    assert len(list(Path("store/objects").glob("*/*"))) == 1, "count was finished"

    process, _ = started(toys, "slow.yaml")
    process.terminate()
    _, err = process.communicate()
    assert (process.returncode, "Traceback" in err) == (143, False)
    assert "to go on: gst run slow.yaml" in err

    process, said = started(toys, "slow.yaml", "-s", "title=One", "--json")
    assert "slow: goes on" in said
    other, said = started(toys, "slow.yaml", "-s", "title=Two", "--json")
    assert f"slow: process {process.pid} is making it; waiting" in said
    Path("gate").touch()
    (out, err), (other_out, other_err) = process.communicate(), other.communicate()
    assert process.returncode == other.returncode == 0, err + other_err
    tables = [json.loads(text)["metrics"]["slow.table"] for text in (out, other_out)]
    assert tables[0] == tables[1]
    assert tables[0]["about"] == {"begun": 2}
    assert [json.loads(text)["steps"][1]["seconds"] is None for text in (out, other_out)] == [False, True]
    assert Path("log.txt").read_text() == "count\n", "one run counted, the others took it from the store"


def test_sigint_ends_with_130(toys):
    Path("slow.yaml").write_text(SLOW)
    process, _ = started(toys, "slow.yaml")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert (process.returncode, "Traceback" in err) == (130, False)
    assert "to go on: gst run slow.yaml" in err
