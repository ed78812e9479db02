"""Published numbers: every row has a source and parses; spot values are those of the papers."""

from __future__ import annotations

import json
import math
from importlib.resources import files
from typing import Any

import pytest
from click.testing import CliRunner

import gst
from gst.cli.main import cli
from gst.comparison.published import CONFIDENCE, DIFFERS, PublishedTable, published
from gst.errors import UsageError

TABLES = published()
PERCENT = ("char-f1", "char-acc", "background-acc", "bleu-2", "bleu-3")


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.id)
def test_every_row_has_numbers_of_declared_metrics_and_a_source(table: PublishedTable) -> None:
    assert table.confidence in CONFIDENCE
    assert len(table.source) > 10
    assert table.where
    assert table.split
    assert table.protocol
    assert table.url is None or table.url.startswith("https://")
    assert set(table.metrics.values()) <= {"up", "down", None}
    assert table.rows
    assert len({row.model for row in table.rows}) == len(table.rows)
    for row in table.rows:
        assert row.values, row
        assert row.values.keys() <= table.metrics.keys(), row
        assert all(math.isfinite(value) and value >= 0 for value in row.values.values()), row
        assert all(value <= 100 for name, value in row.values.items() if name in PERCENT), row
        assert row.params is None or 50 < row.params < 10_000, row
    assert {name for row in table.rows for name in row.values} == set(table.metrics)


def test_tables_have_names_of_their_own_and_lie_where_they_belong() -> None:
    assert len({table.id for table in TABLES}) == len(TABLES)
    named = {file.name for file in files("gst.comparison").joinpath("published").iterdir()}
    assert named == {f"{table.task}_{table.dataset}.yaml" for table in TABLES}


def value(table: str, model: str, metric: str) -> float:
    (found,) = published(table)
    (row,) = [row for row in found.rows if row.model == model]
    return row.values[metric]


@pytest.mark.parametrize(
    ("table", "model", "metric", "expected"),
    [
        ("maskgst-paper", "StoryGAN", "fid", 158.06),
        ("maskgst-paper", "VP-CSV", "char-f1", 56.84),
        ("maskgst-paper", "CMOTA", "bleu-3", 1.90),
        ("maskgst-paper", "MaskGST-CG+- w/ aug. captions, d = 2048", "char-acc", 37.50),
        ("maskgst-paper", "ACM-VSG", "fid", 15.48),
        ("maskgst-paper-ablation", "MaskGST-CG+-", "fid", 54.95),
        ("maskgst-paper-scale", "MaskGST-CG+- w/ aug. captions, scale 0.4", "char-f1", 68.32),
        ("maskgst-paper-people", "MaskGST against CMOTA", "relevance/win", 64),
        ("maskgst-paper-continuation", "ACM-VSG", "char-f1", 45.71),
        ("maskgst-thesis", "MaskGST-SV (b)", "fid", 62.60),
        ("maskgst-thesis", "MaskGST-SV (c)", "char-acc", 18.94),
        ("maskgst-thesis", "MaskGST-CG+", "fid", 56.78),
        ("vlc-readme-val", "VLC-StoryGAN", "fid", 60.39),
        ("cp-csv", "CP-CSV", "fsd", 71.51),
        ("ar-ldm-vist-dii", "AR-LDM", "fid", 17.03),
        ("storygptv-flintstones", "StoryGPT-V", "char-f1", 94.17),
        ("storygptv-pororo", "Story-LDM", "cider", 0.4581),
    ],
)
def test_spot_values(table: str, model: str, metric: str, expected: float) -> None:
    assert value(table, model, metric) == expected


def test_numbers_that_two_sources_share_are_equal() -> None:
    """The paper's table and the README whose correction it cites; the paper's ablation and the thesis."""
    for model in ("StoryGAN", "DUCO-StoryGAN", "VLC-StoryGAN"):
        assert value("maskgst-paper", model, "fid") == value("vlc-readme-test", model, "fid")
    for model in ("MaskGST", "MaskGST w/ aug. captions", "MaskGST-CG+-"):
        for metric in ("fid", "char-f1", "char-acc", "bleu-2", "bleu-3"):
            assert value("maskgst-paper-ablation", model, metric) == value("maskgst-thesis", model, metric)


def test_human_votes_add_up() -> None:
    (row,) = published("maskgst-paper-people")[0].rows
    for question in ("visual-quality", "consistency", "relevance"):
        assert sum(row.values[f"{question}/{vote}"] for vote in ("win", "loss", "tie")) == pytest.approx(100, abs=1)


def test_choosing() -> None:
    assert {table.dataset for table in published("pororo-sv")} == {"pororo-sv"}
    assert {table.task for table in published("Continuation")} == {"continuation"}
    assert [table.id for table in published("continuation/vist-sis")] == ["ar-ldm-vist-sis"]
    found = published("visualization/pororo-sv", "CMOTA")
    assert {row.model for table in found for row in table.rows} == {"CMOTA", "MaskGST against CMOTA"}
    assert "cp-csv" in {table.id for table in published(word="song 2020")}
    assert published(word="no such model") == []
    assert gst.published is published
    with pytest.raises(UsageError, match=r"nothing is published here for 'pororo'\. Did you mean 'pororo-sv'") as error:
        published("pororo")
    assert "visualization/pororo-sv" in str(error.value.hint)


def call(*arguments: str) -> Any:
    return CliRunner().invoke(cli, ["published", *arguments], catch_exceptions=False)


def test_command() -> None:
    listed = call()
    assert all(table.id in listed.stdout for table in TABLES)
    shown = call("visualization/pororo-sv", "-q", "vp-csv").stdout
    assert shown.count(DIFFERS) == 1
    assert "65.51" in shown
    assert "read in the full text of the source" in shown
    assert "DUCO" not in shown
    data = json.loads(call("-q", "cmota", "--json").stdout)
    assert data[0]["rows"][0]["values"]["fid"] == 52.13
    nothing = call("-q", "zzz")
    assert nothing.stdout == ""
    assert "No published row matches 'zzz'" in nothing.stderr
