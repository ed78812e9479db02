"""`gst compare`: rows over seeds, columns that hold one way of measuring, paired differences, refusals, formats."""

from __future__ import annotations

import copy
import csv
import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import gst
from gst.cli.compare import label_runs
from gst.cli.main import cli
from gst.comparison.formats.latex import escape
from gst.comparison.paired import mean_over, paired, standard_error
from gst.comparison.published import DIFFERS
from gst.comparison.table import Cell, Comparison, Difference, Row
from gst.errors import DataError, StoreError, UsageError
from gst.evaluation.bootstrap import resampled
from gst.evaluation.resamples import Resamples, draws, draws_hash, interval
from gst.kinds import Metric

STORIES = 6


def recipe(tiny: dict[str, Any]) -> dict[str, Any]:
    """The tiny recipe with scores; only training and drawing follow the recipe's seed."""
    made = copy.deepcopy(tiny)
    steps = made["steps"]
    # Previews stay: other tests find this training in the store and want them.
    del steps["report"]
    for name in ("bpe", "vqvae", "tokens"):
        steps[name]["seed"] = 0
    made["components"] |= {"psnr": {"use": "psnr"}, "ssim": {"use": "ssim"}}
    steps["rebuild"]["stories"] = steps["sample"]["stories"] = STORIES
    steps["scores"] = {
        "use": "evaluate",
        "data": "$data.test",
        "pictures": {"model": "$sample.pictures", "rebuilt": "$rebuild.pictures"},
        "ceiling": "rebuilt",
        "metrics": ["$psnr", "$ssim"],
        "bootstrap": 200,
    }
    return made


@pytest.fixture(scope="session")
def runs(
    tiny_recipe_once: dict[str, Any], tmp_path_factory: pytest.TempPathFactory, gst_store: Path
) -> dict[str, Path]:
    """name -> folder of a finished run: three seeds, no guidance, oracle, fewer stories."""
    from gst.progress import Progress
    from gst.run import run_recipe

    root = tmp_path_factory.mktemp("compared")
    base = recipe(tiny_recipe_once)
    few = ["rebuild.stories=4", "sample.stories=4"]
    wanted = {
        "seed0": [],
        "seed1": ["seed=1"],
        "seed2": ["seed=2"],
        "unguided": ["sampler.guidance=null"],
        "oracle": ["train.characters_from=labels"],
        "few": few,
        "unsure": ["scores.bootstrap=0"],
    }
    for name, overrides in wanted.items():
        run_recipe(base, overrides, out=root / name, probe=False, progress=Progress(quiet=True))
    return {name: root / name for name in wanted}


@pytest.fixture
def altered(runs: dict[str, Path], tmp_path: Path) -> Callable[..., Path]:
    """`altered("seed1", "metrics.json", change)`: a copy of a run, one JSON file of it changed; its table too."""

    def make(name: str, file: str, change: Callable[[Any], Any], copy_as: str = "altered") -> Path:
        folder = tmp_path / copy_as
        shutil.copytree(runs[name], folder)
        outputs = json.loads((folder / "outputs.json").read_text())
        table = shutil.copytree(outputs["scores.table"]["path"], tmp_path / f"{copy_as}-table")
        outputs["scores.table"]["path"] = str(table)
        (folder / "outputs.json").write_text(json.dumps(outputs))
        path = (table if file == "resamples.json" else folder) / file
        data = json.loads(path.read_text())
        change(data)
        path.write_text(json.dumps(data))
        return folder

    return make


def decibels(run: Path) -> np.ndarray:
    """PSNR of every frame of a run's pictures, (stories, frames), by hand."""
    from gst.run import open_run

    opened = open_run(run)
    data = opened.option("scores", "data")
    drawn = opened.outputs["sample.pictures"].frames.astype(np.float64)
    real = np.stack([data[i].frames for i in range(len(drawn))]).astype(np.float64)
    return 10 * np.log10(255.0**2 / ((drawn - real) ** 2).mean((2, 3, 4)))


def row(found: Comparison, label: str) -> Row:
    (one,) = [each for each in (*found.rows, *found.ends) if each.label == label]
    return one


# ---- rows and columns


def test_a_run_a_row_with_intervals_floor_and_ceiling(runs: dict[str, Path]) -> None:
    found = gst.compare([runs["seed0"], runs["unguided"]])
    assert [column.name for column in found.columns] == ["psnr", "ssim"]
    assert [column.direction for column in found.columns] == ["up", "up"]
    table = json.loads((runs["unguided"] / "metrics.json").read_text())["scores.table"]["rows"]
    (expected,) = [r for r in table if (r["metric"], r["of"]) == ("psnr", "model")]
    cell = row(found, "unguided").cells["psnr"]
    assert (cell.value, cell.low, cell.high) == (expected["value"], expected["low"], expected["high"])
    assert (cell.floor, cell.ceiling) == (expected["floor"], expected["ceiling"])
    assert (cell.n, cell.sd) == (1, None)
    assert row(found, "floor").cells["psnr"].value == expected["floor"]
    assert row(found, "ceiling").cells["psnr"].value == expected["ceiling"]
    values = {each.label: each.cells["psnr"].value for each in found.rows}
    assert [each.label for each in found.rows if each.cells["psnr"].best] == [max(values, key=values.__getitem__)]
    assert found.differences == ()


def test_seeds_are_one_row_with_mean_deviation_and_interval_of_the_mean(runs: dict[str, Path]) -> None:
    found = gst.compare([runs["seed1"], runs["unguided"], runs["seed0"], runs["seed2"]])
    assert len(found.rows) == 2
    seeds = found.rows[0]
    assert seeds.seeds == ("0", "1", "2")
    assert [Path(run).name for run in seeds.runs] == ["seed0", "seed1", "seed2"]
    cell = seeds.cells["psnr"]
    values = np.stack([decibels(runs[f"seed{i}"]) for i in range(3)])
    assert cell.value == pytest.approx(values.mean(), abs=1e-4)
    assert cell.sd == pytest.approx(values.mean((1, 2)).std(ddof=1), abs=1e-4)
    assert cell.n == 3
    random = np.random.Generator(np.random.Philox(0))
    means = [values.mean(0)[random.integers(0, STORIES, STORIES)].mean() for _ in range(200)]
    assert (cell.low, cell.high) == pytest.approx(np.percentile(means, [2.5, 97.5]), abs=1e-4)


def test_each_and_labels(runs: dict[str, Path]) -> None:
    found = gst.compare([runs["seed0"], runs["seed1"]], each=True)
    assert [one.label for one in found.rows] == ["seed0", "seed1"]
    found = gst.compare({"ours": [runs["seed0"], runs["seed1"]], "plain": runs["unguided"]}, against="plain")
    assert [(one.label, len(one.runs)) for one in found.rows] == [("ours", 2), ("plain", 1)]
    assert {gap.row for gap in found.differences} == {"ours"}
    with pytest.raises(UsageError, match=r"'x': .* differ in more than their seeds: components\.sampler\.guidance"):
        gst.compare({"x": [runs["seed0"], runs["unguided"]]})


def test_one_run_twice_is_no_spread(runs: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is given twice"):
        gst.compare([runs["seed0"], runs["seed0"]])
    again = shutil.copytree(runs["seed0"], tmp_path / "again")
    with pytest.raises(UsageError, match="the same recipe with the same seeds") as error:
        gst.compare([runs["seed0"], again])
    assert "--each" in str(error.value.hint)
    assert len(gst.compare([runs["seed0"], again], each=True).rows) == 2


def test_oracle_rows_are_marked_and_do_not_compete(runs: dict[str, Path]) -> None:
    found = gst.compare([runs["seed0"], runs["oracle"]])
    oracle = row(found, "oracle")
    assert oracle.oracle
    assert not row(found, "seed0").oracle
    assert not any(cell.best for one in found.rows for cell in one.cells.values())  # one row has no rival
    assert "oracle †" in found.to_text()
    assert "$^\\dagger$" in found.to_latex()
    assert any(note.startswith("† oracle") for note in found.notes)


def test_other_pictures_and_ends_that_differ(runs: dict[str, Path], altered: Callable[..., Path]) -> None:
    found = gst.compare([runs["seed0"]], also=["real", "rebuilt"])
    assert row(found, "real").cells["ssim"].value == pytest.approx(1, abs=1e-3)
    assert row(found, "rebuilt").cells == row(found, "ceiling").cells
    with pytest.raises(UsageError, match=r"no run scored pictures 'reel'\. Did you mean 'real'"):
        gst.compare([runs["seed0"]], also=["reel"])

    def raise_ceiling(metrics: Any) -> None:
        for each in metrics["scores.table"]["rows"]:
            each["ceiling"] += 1

    other = altered("unguided", "metrics.json", raise_ceiling)
    labels = [end.label for end in gst.compare([runs["seed0"], other]).ends]
    assert labels == ["floor", "ceiling of seed0", "ceiling of altered"]


def test_choosing_numbers(runs: dict[str, Path]) -> None:
    assert [c.name for c in gst.compare([runs["seed0"]], metrics=["ss*"]).columns] == ["ssim"]
    with pytest.raises(UsageError, match=r"no run has a number 'psrn'\. Did you mean 'psnr'"):
        gst.compare([runs["seed0"]], metrics=["psrn"])


def test_brackets_in_names_and_versions_that_differ_within_a_row(
    runs: dict[str, Path], altered: Callable[..., Path]
) -> None:
    def rename(metrics: Any) -> None:
        for each in metrics["scores.table"]["rows"]:
            each["metric"] = each["metric"].replace("ssim", "ssim[new]")

    run = altered("seed0", "metrics.json", rename)
    assert [c.name for c in gst.compare([run], metrics=["ssim[new]"]).columns] == ["ssim[new]"]
    assert not any("different versions" in note for note in gst.compare([runs["seed0"], runs["seed1"]]).notes)
    other = altered("seed1", "lock.json", lambda lock: lock["packages"].update(torch="0.1"), "older")
    (note,) = [note for note in gst.compare([runs["seed0"], other]).notes if "different versions" in note]
    assert re.search(r"packages\.torch: \S+ \(seed0\) \| 0\.1 \(older\)", note)


def test_parts_are_shown_when_asked_for(altered: Callable[..., Path]) -> None:
    def add_part(metrics: Any) -> None:
        rows = metrics["scores.table"]["rows"]
        rows += [{**each, "metric": "psnr/sky", "value": 1.0} for each in rows if each["metric"] == "psnr"]

    run = altered("seed0", "metrics.json", add_part)
    assert [c.name for c in gst.compare([run]).columns] == ["psnr", "ssim"]
    assert [c.name for c in gst.compare([run], metrics=["psnr*"]).columns] == ["psnr", "psnr/sky"]


# ---- refusals


def test_other_data_counts_are_refused_with_what_differs(runs: dict[str, Path]) -> None:
    with pytest.raises(UsageError, match="not measured alike") as error:
        gst.compare([runs["seed0"], runs["few"]])
    assert re.search(rf"stories: {STORIES} \(\S*seed0\) \| 4 \(\S*few\)", error.value.message)
    assert "psnr, ssim\n" in error.value.message
    assert "data_hash" not in error.value.message
    assert "--split-columns" in str(error.value.hint)


def test_what_was_measured_may_differ_how_may_not(runs: dict[str, Path], altered: Callable[..., Path]) -> None:
    def other_extractor(metrics: Any) -> None:
        for each in metrics["scores.table"]["rows"]:
            if each["metric"] == "ssim":
                each["signature"] |= {"weights": "ab" * 32, "extractor": {"use": "net", "model": "m1"}}
            each["signature"]["interval"] = "95 %, 7 resamples of stories"

    other = altered("unguided", "metrics.json", other_extractor)
    with pytest.raises(UsageError) as error:
        gst.compare([runs["seed0"], other])
    assert "weights: not told" in error.value.message
    assert "abababababab (" in error.value.message
    assert "measured alike: psnr" in str(error.value.hint)
    assert [c.name for c in gst.compare([runs["seed0"], other], metrics=["psnr"]).columns] == ["psnr"]
    split = gst.compare([runs["seed0"], other], split_columns=True)
    assert [c.name for c in split.columns] == ["psnr", "ssim (1)", "ssim (2)"]
    assert row(split, "seed0").cells.keys() == {"psnr", "ssim (1)"}
    assert row(split, "altered").cells.keys() == {"psnr", "ssim (2)"}
    assert any("net on m1, weights abababababab" in line for line in split.protocol)


def test_no_run_no_table_no_scores(runs: dict[str, Path], tiny_run: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no run in"):
        gst.compare([tmp_path / "nowhere"])
    with pytest.raises(UsageError, match="has no scores"):
        gst.compare([tiny_run.dir])
    with pytest.raises(UsageError, match=r"has no table 'score'\. Did you mean 'scores'"):
        gst.compare([runs["seed0"]], table="score")
    with pytest.raises(UsageError, match="nothing to compare"):
        gst.compare([])
    with pytest.raises(UsageError, match=r"baseline 'seed9' is none of the runs\. Did you mean 'seed"):
        gst.compare([runs["seed0"], runs["unguided"]], against="seed9")


def test_a_run_that_has_not_scored_its_output(altered: Callable[..., Path]) -> None:
    def rename(metrics: Any) -> None:
        metrics["other.table"] = metrics.pop("scores.table")

    run = altered("seed0", "metrics.json", rename)
    with pytest.raises(UsageError, match="no scores of what it draws: its step 'scores' is not done"):
        gst.compare([run])
    assert gst.compare([run], table="other").columns


@pytest.mark.parametrize("damage", ["", "[]", '{"scores.table": {"rows": 3}}', '{"scores.table": [1]}', "{"])
def test_damaged_runs(runs: dict[str, Path], tmp_path: Path, damage: str) -> None:
    run = shutil.copytree(runs["seed0"], tmp_path / "run")
    (run / "metrics.json").write_text(damage)
    with pytest.raises(DataError, match=r"damaged|cannot be read"):
        gst.compare([run])


# ---- paired differences


def test_paired_differences_are_those_of_a_bootstrap_by_hand(runs: dict[str, Path]) -> None:
    found = gst.compare([runs["seed0"], runs["unguided"], runs["seed1"]], against=runs["unguided"])
    (gap,) = [each for each in found.differences if each.column == "psnr"]
    ours = (decibels(runs["seed0"]) + decibels(runs["seed1"])) / 2
    theirs = decibels(runs["unguided"])
    assert gap.value == pytest.approx(ours.mean() - theirs.mean(), abs=1e-4)
    random = np.random.Generator(np.random.Philox(0))
    gaps = []
    for _ in range(200):
        rows = random.integers(0, STORIES, STORIES)
        gaps.append(ours[rows].mean() - theirs[rows].mean())
    assert (gap.low, gap.high) == pytest.approx(np.percentile(gaps, [2.5, 97.5]), abs=1e-4)
    less, more = sum(x <= 0 for x in gaps), sum(x >= 0 for x in gaps)
    assert gap.p == pytest.approx(min(1, 2 * (min(less, more) + 1) / 201))
    assert gap.resamples == 200
    assert gap.seed_error is None  # the baseline has one seed


def test_a_paired_interval_is_narrower_than_two_of_their_own(runs: dict[str, Path]) -> None:
    found = gst.compare([runs["seed0"], runs["seed1"]], against="seed0", each=True)
    (gap,) = [each for each in found.differences if each.column == "psnr"]
    cells = [one.cells["psnr"] for one in found.rows]
    assert gap.high - gap.low < sum(cell.high - cell.low for cell in cells)  # type: ignore[operator]


def numbers(size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two models' scores of stories, correlated."""
    random = np.random.default_rng(seed)
    stories = random.normal(50, 10, size)
    return stories + random.normal(0.4, 4, size), stories + random.normal(0, 4, size)


def test_against_scipy() -> None:
    ours, theirs = numbers(250, 1)
    rows = list(draws(250, 4000, 0))
    gap = paired(np.array([ours[r].mean() for r in rows]), np.array([theirs[r].mean() for r in rows]))
    assert gap is not None
    reference = stats.bootstrap(
        (ours, theirs),
        lambda a, b: a.mean() - b.mean(),
        paired=True,
        vectorized=False,
        method="percentile",
        n_resamples=4000,
        random_state=np.random.default_rng(5),
    ).confidence_interval
    width = reference.high - reference.low
    assert gap.low == pytest.approx(reference.low, abs=0.06 * width)
    assert gap.high == pytest.approx(reference.high, abs=0.06 * width)
    assert gap.p == pytest.approx(stats.ttest_rel(ours, theirs).pvalue, rel=0.5)


def test_p_is_small_only_as_often_as_it_says() -> None:
    random = np.random.default_rng(3)
    rows = np.array(list(draws(60, 199, 0)))
    hits = 0
    for _ in range(400):
        gaps = random.normal(0, 1, 60)
        found = paired(gaps[rows].mean(1), np.zeros(199))
        assert found is not None
        hits += found.p <= 0.05
    assert 0.02 < hits / 400 < 0.095  # 5 % nominal; bootstrap tests of 60 stories reject a little more often


def test_equal_models_and_numbers_that_are_not_defined() -> None:
    same = paired(np.arange(5.0), np.arange(5.0))
    assert same is not None
    assert (same.low, same.high, same.p) == (0, 0, 1)
    gappy = paired(np.array([np.nan, 2.0, 3.0]), np.array([1.0, 1.0, 1.0, 9.0]))
    assert gappy is not None
    assert gappy.resamples == 2
    assert gappy.p == pytest.approx(2 / 3)
    assert paired(np.array([np.nan]), np.array([1.0])) is None


def test_standard_error_over_seeds_is_welchs() -> None:
    one, other = [3.0, 4.0, 8.0], [1.0, 1.5]
    test = stats.ttest_ind(one, other, equal_var=False)
    assert (np.mean(one) - np.mean(other)) / standard_error(one, other) == pytest.approx(test.statistic)
    assert standard_error(one, [1.0]) is None


def test_mean_over_seeds_takes_what_all_have() -> None:
    assert mean_over([np.array([1.0, 2.0, 3.0]), np.array([3.0, np.nan])]).tolist()[0] == 2
    assert len(mean_over([np.arange(3.0), np.arange(2.0)])) == 2


def test_pairing_is_refused_where_stories_draws_or_resamples_differ(
    runs: dict[str, Path], altered: Callable[..., Path]
) -> None:
    def swap(about: Any) -> None:
        about["stories"].reverse()

    def replace(about: Any) -> None:
        about["stories"][0] = "another"

    def redraw(about: Any) -> None:
        about["draws"] = draws_hash(STORIES, 1)

    for name, change, match in (
        ("swapped", swap, "not scored on the same stories: they are in another order"),
        ("replaced", replace, "not scored on the same stories: 2 stories are not in both"),
        ("redrawn", redraw, "other resamples of the stories"),
    ):
        other = altered("unguided", "resamples.json", change, name)
        with pytest.raises(DataError, match=match):
            gst.compare([runs["seed0"], other], against=other)
        assert gst.compare([runs["seed0"], other]).columns  # side by side they may stand
    gone = altered("unguided", "run.json", lambda state: None, "gone")
    shutil.rmtree(gone.parent / "gone-table")
    with pytest.raises(DataError, match="'gone' cannot be paired") as error:
        gst.compare([runs["seed0"], gone], against="seed0")
    assert "--force scores" in str(error.value.hint)
    broken = altered("unguided", "resamples.json", lambda about: about.pop("draws"), "broken")
    with pytest.raises(StoreError, match="damaged"):
        gst.compare([runs["seed0"], broken], against="seed0")


def test_without_resamples_there_is_a_difference_but_no_interval(runs: dict[str, Path]) -> None:
    found = gst.compare([runs["seed0"], runs["unsure"], runs["unguided"]], against="unguided", each=True)
    gaps = {(gap.row, gap.column): gap for gap in found.differences}
    unsure, sure = gaps["unsure", "psnr"], gaps["seed0", "psnr"]
    assert unsure.value == sure.value
    assert (unsure.low, unsure.p, unsure.resamples) == (None, None, 0)
    assert sure.low is not None


# ---- what the table keeps


def test_the_table_keeps_the_numbers_behind_its_intervals(runs: dict[str, Path]) -> None:
    from gst.run import open_run

    table = open_run(runs["seed0"]).outputs["scores.table"]
    kept = table.resamples
    assert len(kept.stories) == STORIES
    assert kept.draws == draws_hash(STORIES, 0)
    assert kept.numbers.keys() == {(of, name) for of in ("model", "rebuilt") for name in ("psnr", "ssim")}
    for each in table.rows:
        if each["of"] in ("model", "rebuilt"):
            ends = interval(kept.numbers[each["of"], each["metric"]])
            assert ends == pytest.approx((each["low"], each["high"]), rel=1e-6)
    folder = Path(json.loads((runs["seed0"] / "outputs.json").read_text())["scores.table"]["path"])
    assert sum((folder / name).stat().st_size for name in ("resamples.npy", "resamples.json")) < 5000


def test_numbers_stay_with_their_resample_and_biased_ones_are_moved_back() -> None:
    class Greatest(Metric):
        """0 over all stories; over a resample its greatest one, and nothing where story 0 is not in it."""

        biased = True
        directions = {"greatest": "up"}  # noqa: RUF012
        values = np.arange(8.0)

        def reset(self) -> None: ...

        def update(self, batch: Any, frames: Any) -> None: ...

        def compute(self, rows: Any = None) -> dict[str, float]:
            if rows is None:
                return {"greatest": float(self.values.min())}
            return {"greatest": float(self.values[rows].max())} if 0 in rows else {}

        def signature(self) -> dict[str, Any]:
            return {}

    found = resampled(Greatest(), 8, 50, seed=0)["greatest"]
    there = np.array([0 in rows for rows in draws(8, 50, 0)])
    assert 0 < there.sum() < 50
    assert (np.isfinite(found) == there).all()
    raw = np.array([rows.max() for rows in draws(8, 50, 0)], np.float64)
    np.testing.assert_allclose(found[there], raw[there] - raw[there].mean())
    assert resampled(Greatest(), 8, 0, seed=0) == {}


def test_resamples_survive_the_disk(tmp_path: Path) -> None:
    some = np.array([1.5, np.nan, 2.5])
    Resamples(("a", "b"), "x", {("m", "n/1"): some, ("m", "é"): some[:1]}).save(tmp_path)
    loaded = Resamples.load(tmp_path)
    assert loaded is not None
    assert (loaded.stories, loaded.draws) == (("a", "b"), "x")
    np.testing.assert_array_equal(loaded.numbers["m", "n/1"], some)
    assert loaded.numbers["m", "é"].tolist() == [1.5]
    (tmp_path / "empty").mkdir()
    Resamples((), "x", {}).save(tmp_path / "empty")
    assert Resamples.load(tmp_path / "empty") == Resamples((), "x", {})
    assert Resamples.load(tmp_path / "nothing") is None


def test_fewer_resamples_are_the_first_of_more() -> None:
    more = list(draws(9, 5, 0))
    assert all((a == b).all() for a, b in zip(draws(9, 3, 0), more, strict=False))
    assert draws_hash(9, 0) != draws_hash(9, 1)
    assert draws_hash(9, 0) != draws_hash(8, 0)


# ---- formats

NASTY = 'a & b_1 %$#{x}~^\\ <b>"|[1]*`†'


@pytest.fixture
def found(runs: dict[str, Path]) -> Comparison:
    given = {NASTY: [runs["seed0"], runs["seed1"]], "plain": runs["unguided"], "told": runs["oracle"]}
    return gst.compare(given, "plain", also=["real"], published=["maskgst-paper"])


def test_text_tells_everything(found: Comparison) -> None:
    text = found.to_text()
    assert NASTY in text
    assert re.search(r"plain +0 +\d+\.\d\d\*? \[\d+\.\d\d, \d+\.\d\d\]", text)
    assert " ± " in text
    assert "Difference to plain" in text
    assert "story-world 'test'" in text
    assert f"{STORIES} stories" in text
    assert "95 %, 200 resamples of stories" in text
    assert "Seeds: " in text
    assert text.count(DIFFERS) == 1
    assert "158.06" in text
    assert text.index("Published") > text.index("Difference to")


def test_json_round(found: Comparison) -> None:
    data = json.loads(found.render("json"))
    assert data["rows"][0]["cells"]["psnr"]["value"] == found.rows[0].cells["psnr"].value
    assert data["differences"][0]["low"] == found.differences[0].low
    assert data["published"][0]["rows"][0]["values"]["fid"] == 158.06


def test_csv_has_a_line_for_each_number(found: Comparison) -> None:
    lines = list(csv.DictReader(io.StringIO(found.to_csv())))
    (line,) = [x for x in lines if (x["block"], x["row"], x["metric"]) == ("run", NASTY, "psnr")]
    cell = found.rows[0].cells["psnr"]
    (gap,) = [gap for gap in found.differences if (gap.row, gap.column) == (NASTY, "psnr")]
    assert (float(line["value"]), float(line["sd"]), int(line["n"])) == (cell.value, cell.sd, 2)
    assert (line["against"], float(line["difference"]), float(line["p"])) == ("plain", gap.value, gap.p)
    published = [x for x in lines if x["block"] == "published"]
    assert {x["confidence"] for x in published} == {"full-text"}
    assert len([x for x in lines if x["block"] == "run"]) == 6
    assert {x["row"] for x in lines if x["block"] == "end"} == {"floor", "ceiling", "real"}


def cells_of(line: str) -> list[str]:
    return re.split(r"(?<!\\) & ", line.removesuffix(r" \\"))


def test_latex_is_whole_and_its_caption_tells_the_protocol(found: Comparison) -> None:
    latex = found.to_latex()
    assert latex.count(r"\begin{table}") == latex.count(r"\end{table}") == 3
    assert re.sub(r"\\[{}]", "", latex).count("{") == re.sub(r"\\[{}]", "", latex).count("}")
    for table in latex.split(r"\begin{table}")[1:]:
        (columns,) = re.findall(r"begin\{tabular\}\{(l+r+)\}", table)
        lines = [line for line in table.splitlines() if line.endswith(r"\\")]
        assert all(len(cells_of(line)) == len(columns) for line in lines)
    caption = re.findall(r"\\caption\{(.*)\}", latex)[0]
    for told in ("story-world 'test'", f"{STORIES} stories", "bootstrap, 95 \\%, 200 resamples", "Seeds:", "Extractor"):
        assert told in caption
    assert escape(NASTY) in latex
    assert NASTY not in latex


@settings(max_examples=200)
@given(st.text())
def test_latex_escapes_everything(text: str) -> None:
    escaped = escape(text)
    bare = re.sub(r"\\text[a-z]+\{\}|\\[{}&%$#_]|\$\^?\\[a-z]+\$|\{[\[\]]\}", "", escaped)
    assert not set(bare) & set('\\{}&%$#_~^<>|"[]')
    assert "\n" not in escaped
    assert all(char.isprintable() for char in escaped)


class Words(HTMLParser):
    """Checks that elements nest, and collects the text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag not in ("meta", "br", "hr", "img"):
            self.open.append(tag)
        assert not any(name.startswith("on") or name in ("src", "href") for name, _ in attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_html_is_one_page_with_everything_escaped(found: Comparison) -> None:
    page = Words()
    page.feed(found.to_html())
    assert page.open == []
    text = " ".join(page.text)
    assert NASTY in text
    assert DIFFERS in text
    assert "158.06" in text
    assert '<b>"' not in found.to_html()
    assert "@media (prefers-color-scheme: dark)" in found.to_html()  # the report's style


def test_markdown_tables_are_whole(found: Comparison) -> None:
    lines = [line for line in found.to_markdown().splitlines() if line.startswith("| ")]
    widths = [len(re.findall(r"(?<!\\)\|", line)) for line in lines]
    assert set(widths[: len(found.rows) + len(found.ends) + 2]) == {2 + len(found.columns) + 1}
    assert "\\<b\\>" in found.to_markdown()


def test_an_empty_cell_and_a_number_without_interval_in_every_format() -> None:
    from gst.comparison.table import Column

    bare = Comparison(
        columns=(Column("m", "m", None, {}), Column("k", "k", "down", {})),
        rows=(Row("a", {"m": Cell(0.5)}), Row("b", {"k": Cell(1234.5, best=True)})),
        ends=(),
        against="b",
        differences=(Difference("a", "m", -0.25),),
        protocol=(),
        notes=(),
    )
    assert "0.500" in bare.to_text()
    assert "1234.50*" in bare.to_text()
    assert "-0.250" in bare.to_text()
    for form in ("json", "csv", "latex", "html", "markdown"):
        assert "0.5" in bare.render(form)  # type: ignore[arg-type]


def test_saving_by_suffix(found: Comparison, tmp_path: Path) -> None:
    found.save(tmp_path / "t.tex")
    assert (tmp_path / "t.tex").read_text() == found.to_latex()
    found.save(tmp_path / "t.dat", "csv")
    assert (tmp_path / "t.dat").read_text() == found.to_csv()
    with pytest.raises(UsageError, match=r"'\.dat' tells no format"):
        found.save(tmp_path / "t.dat")
    with pytest.raises(StoreError, match="there is no folder"):
        found.save(tmp_path / "no" / "t.tex")


# ---- command


def test_labels_on_the_command_line(tmp_path: Path) -> None:
    odd = tmp_path / "a=b"
    odd.mkdir()
    assert label_runs(("x", str(odd))) == ["x", str(odd)]
    assert label_runs(("A=x", "B=y", "A=z")) == {"A": ["x", "z"], "B": ["y"]}
    with pytest.raises(UsageError, match="y has no label"):
        label_runs(("A=x", "y"))


def test_command(runs: dict[str, Path], tmp_path: Path) -> None:
    def call(*arguments: Any) -> Any:
        return CliRunner().invoke(cli, ["compare", *map(str, arguments)], catch_exceptions=False)

    text = call(runs["seed0"], runs["unguided"], "--against", runs["seed0"], "--also", "real")
    assert text.exit_code == 0
    assert text.stdout == gst.compare([runs["seed0"], runs["unguided"]], "seed0", also=["real"]).to_text()
    data = json.loads(call(f"A={runs['seed0']}", f"A={runs['seed1']}", "--metric", "psnr", "--json").stdout)
    assert (data["rows"][0]["label"], data["rows"][0]["cells"]["psnr"]["n"]) == ("A", 2)
    written = call(runs["seed0"], "--out", tmp_path / "t.md", "--published", "continuation/vist-sis")
    assert written.stdout == ""
    assert "16.95" in (tmp_path / "t.md").read_text()
    with pytest.raises(UsageError, match="not measured alike"):
        call(runs["seed0"], runs["few"])


def test_command_loads_no_torch(runs: dict[str, Path]) -> None:
    code = (
        "import sys, gst.cli\ntry: gst.cli.main(sys.argv[1:])\nfinally: print('torch' in sys.modules, file=sys.stderr)"
    )
    arguments = ["compare", str(runs["seed0"]), str(runs["unguided"]), "--against", "seed0", "--published", "pororo-sv"]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (0, "False")
