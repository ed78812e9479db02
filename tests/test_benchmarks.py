"""benchmarks/speed at a tiny size: that it measures what it says. Times themselves are never tested."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from benchmarks.speed import __main__ as command  # noqa: E402
from benchmarks.speed import clock, compare, counts, memory, muse, table  # noqa: E402
from benchmarks.speed.decoder import Decoder  # noqa: E402
from benchmarks.speed.ours import Ours  # noqa: E402
from benchmarks.speed.size import SIZES  # noqa: E402

TINY = SIZES["tiny"]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("prior", ["maskgst", "maskgst-textfirst"])
def test_gst_trains_and_draws(prior, precision):
    ours = Ours(TINY, prior=prior)
    before = ours.prior.head.weight.clone()
    ours.training(precision)()
    assert not torch.equal(ours.prior.head.weight, before)
    ids = ours.sampling(precision, TINY.steps)().data
    assert ids.shape == (1, TINY.frames, TINY.grid, TINY.grid)
    assert 0 <= int(ids.min()) <= int(ids.max()) < TINY.vocab


def test_sides_run_in_turns():
    calls = []
    sides = {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}
    warm = {"a": lambda: calls.append("warm a"), "b": lambda: calls.append("warm b")}
    seconds = clock.in_turns(sides, 3, warm=warm, say=lambda text: None)
    assert calls == ["warm a", "warm b", *["a", "b"] * 3]
    assert [len(spread.values) for spread in seconds.values()] == [3, 3]


def test_ratios_are_taken_round_by_round():
    seconds = {"gst": clock.Spread([1.0, 2.0, 4.0]), "peer": clock.Spread([3.0, 2.0, 8.0])}
    (ratio,) = compare.ratios(seconds, [("gst", "peer", 1.5), ("gst", "peer", None)])
    assert ratio.wanted == 1.5
    assert ratio.spread.values == [3.0, 1.0, 2.0]
    assert ratio.spread.median == 2.0


def test_operations_are_counted():
    x, weight = torch.randn(3, 5), torch.randn(5, 7)
    assert counts.flops(lambda: x @ weight) == 2 * 3 * 5 * 7
    ours = Ours(TINY)
    with torch.inference_mode():
        drawn = counts.flops(ours.sampling("fp32", 4))
    assert counts.flops_of_steps(lambda n: ours.sampling("fp32", n), 4) == drawn


def test_text_first_takes_fewer_operations_to_draw():
    first, thesis = Ours(TINY, prior="maskgst-textfirst"), Ours(TINY)
    assert first.parameters == thesis.parameters
    with torch.inference_mode():
        assert counts.flops(first.sampling("fp32", 4)) < counts.flops(thesis.sampling("fp32", 4))


def test_branches_of_character_guidance_are_measured():
    group = compare.branches(TINY, 2, lambda text: None)
    assert {"gst, fp32, one branch", "gst, fp32, CG+-, three branches"} <= set(group.seconds)
    assert all(ratio.most == 2.4 and len(ratio.spread.values) == 2 for ratio in group.ratios)
    ours = Ours(TINY, characters=9)
    with torch.inference_mode():
        one, three = (counts.flops(ours.sampling("fp32", 2, guidance)) for guidance in ("none", "character"))
    assert one < three < 3 * one


def test_peak_memory_of_a_process():
    found = memory.measure("gst", "training", "fp32", TINY)
    assert 2**20 < found["imports"] <= found["peak"]
    block = torch.zeros(memory.peak() // 4 + 2**24)
    assert memory.peak() > found["peak"] + block.nbytes // 2


def test_decoder_draws():
    pytest.importorskip("transformers")
    ids = Decoder(TINY, bf16=False).sampling(TINY.grid**2, guided=True)()
    assert ids.shape == (TINY.frames, TINY.grid**2)
    assert int(ids.max()) < TINY.vocab


def test_table_says_what_was_not_reached():
    ratio = {"median": 1.4, "min": 1.3, "max": 1.5}
    group = {
        "title": "a step",
        "seconds": {"gst": {"median": 1.0, "min": 0.9, "max": 1.1}},
        "ratios": {
            "peer / gst": {**ratio, "wanted": 1.5, "most": None},
            "other / gst": {**ratio, "wanted": 1.0, "most": None},
            "branches / one": {**ratio, "wanted": None, "most": 1.3},
            "few / one": {**ratio, "wanted": None, "most": 1.4},
        },
    }
    found = {
        "groups": [group],
        "memory": {"training, fp32": {"gst": {"imports": 2**28, "peak": 2**30}}},
        "counts": {"gst": {"parameters": 10**6, "story": 10**9}},
    }
    machine = {"processor": "A CPU", "threads": 2, "system": "Linux", "versions": {"torch": "2"}}
    lines = table.table({"machine": machine, "rounds": 5, "sizes": {"tiny": found}}).splitlines()
    verdicts = {line.split()[0]: line.rpartition(": ")[2] for line in lines if " / " in line}
    assert verdicts == {"peer": "NOT REACHED", "other": "reached", "branches": "NOT KEPT", "few": "kept"}
    assert any("1024 (768)" in line for line in lines)


def test_without_the_peer_it_says_how_to_install_it(monkeypatch):
    def not_there(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(muse, "version", not_there)
    monkeypatch.setattr(sys, "argv", ["speed", "--size", "tiny", "--threads", str(torch.get_num_threads())])
    with pytest.raises(SystemExit, match=r"pip install .*muse-maskgit-pytorch==0\.3\.5"):
        command.main()


@pytest.mark.skipif(muse.missing() is not None, reason="the peer is not installed")
def test_all_of_it(tmp_path):
    arguments = ["--size", "tiny", "--rounds", "2", "--threads", "1", "--json", str(tmp_path / "speed.json")]
    done = subprocess.run([sys.executable, "-m", "benchmarks.speed", *arguments], cwd=ROOT, check=True, stdout=-1)
    result = json.loads((tmp_path / "speed.json").read_text())
    assert done.stdout.decode().strip() == table.table(result)
    assert all(ratio["median"] > 0 for group in result["sizes"]["tiny"]["groups"] for ratio in group["ratios"].values())
