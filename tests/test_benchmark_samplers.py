"""benchmarks/samplers.py on a run of the default recipe at smoke size."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import gst
from gst.signatures import describe

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from benchmarks import samplers  # noqa: E402


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    gst.run_recipe("maskgst_cg", smoke=True, until="scores", out=folder)
    return folder


def read(path: Path) -> dict[str, dict]:
    return {line["setting"]: line for line in map(json.loads, path.read_text().splitlines())}


def test_every_setting_is_drawn_once_and_a_second_call_goes_on(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "samplers.jsonl"
    common = [str(run), "--stories", "2", "--bootstrap", "5", "--out", str(out)]
    samplers.main([*common, "--only", "^(as trained|reconstructions|steps=1|halton steps=4)$"])
    first = out.read_text()
    lines = read(out)
    assert list(lines) == ["reconstructions", "as trained", "steps=1", "halton steps=4"]
    assert lines["as trained"]["sampler"]["use"] == "random"
    assert lines["halton steps=4"]["sampler"]["schedule"] == "arccos"
    for line in lines.values():
        assert {"char-f1", "place-acc", "fid-clf"} <= line["scores"].keys()
        assert line["stories"] == 2
        assert line["sampler"] is None or line["sampler"]["guidance"]["use"] == "character"
    # The run draws with 3 steps by the cosine schedule: "schedule=cosine" is "as trained" again.
    samplers.main([*common, "--only", "as trained|^schedule=cosine$|^steps=1$|^entropy steps=2$"])
    assert out.read_text().startswith(first)
    assert list(read(out)) == [*lines, "entropy steps=2"]


def test_settings_cover_what_the_study_compares() -> None:
    base = gst.build("sampler", "random", steps=12, guidance=gst.build("guidance", "character", scale=0.2))
    made = {samplers.name_of(c): samplers.changed(base, c) for c in samplers.settings()}
    assert describe(made["as trained"]) == describe(base)
    assert {s.options["schedule"] for s in made.values()} == set(samplers.get_args(samplers.Schedule))
    assert {s.options["steps"] for s in made.values() if s.use == "halton"} == set(samplers.STEPS)
    scales = {s.options["guidance"].options["scale"] for s in made.values()}
    assert scales == set(samplers.SCALES)
    assert made["maskgit confidence_noise=9.0"].options["steps"] == 12
    critic_free = samplers.changed(made["maskgit confidence_noise=9.0"], {"use": "halton"})
    assert "confidence_noise" not in critic_free.options
