"""Every recipe that comes along: valid, and the whole of it runs at a tiny size, once."""

import html
from pathlib import Path

import pytest

import gst
from gst.recipe.load import check_recipe

RECIPES = sorted((Path(__file__).parents[1] / "recipes").rglob("*.yaml"))
NAMES = [str(path.relative_to(Path(__file__).parents[1] / "recipes").with_suffix("")) for path in RECIPES]


@pytest.fixture
def given(name, real_data, toy_model, monkeypatch):
    """What a recipe's header asks to be given, as overrides."""
    if name.startswith("codraw/"):
        monkeypatch.setenv("GST_DATA", str(real_data("codraw_sv")))
    return [f"text.model={toy_model('t5')}"] if name == "maskgst_hf_text" else []


@pytest.mark.parametrize(("path", "name"), list(zip(RECIPES, NAMES, strict=True)), ids=NAMES)
def test_recipe_is_valid(path, name):
    _, problems = check_recipe(path)
    assert not problems


@pytest.mark.parametrize(("path", "name"), list(zip(RECIPES, NAMES, strict=True)), ids=NAMES)
def test_recipe_runs_small(path, name, given, tmp_path):
    run = gst.run_recipe(path, given, smoke=True, out=tmp_path / "run")
    rows = run.outputs["scores.table"].rows
    assert {"model", "reconstructions", "real"} <= {row["of"] for row in rows}
    assert all(row["signature"] for row in rows)
    page = (run.dir / "index.html").read_text(encoding="utf-8")
    assert "data:image/png;base64," in page
    for table in run.metrics.values():
        assert html.escape(f"{table['about']['data']}, {table['about']['stories']} stories") in page
    again = gst.run_recipe(path, given, smoke=True, out=tmp_path / "run")
    assert again.nothing_to_do


@pytest.mark.parametrize(("path", "name"), list(zip(RECIPES, NAMES, strict=True)), ids=NAMES)
def test_header_names_its_own_command(path, name):
    """The comment at the top says what to type, and it is this recipe that one types."""
    header = [line for line in path.read_text().splitlines() if line.startswith("#")]
    assert any(f"gst run recipes/{name}.yaml" in line for line in header)
