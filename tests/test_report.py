"""The report: no text becomes markup, nothing comes from elsewhere, and the charts say what is true."""

from __future__ import annotations

import base64
import io
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gst.artifacts import Tokens
from gst.latents import LatentSpec
from gst.report import Page, render
from gst.report.bars import numbers, share
from gst.report.collect import cards, codes, curves
from gst.report.curves import HEIGHT, POINTS, WIDTH, Curve, chart, short
from gst.report.graph import Node, duration, graph
from gst.report.html import Html, join, picture, tag
from gst.report.sections import histogram
from gst.report.stories import Growth, StoryCard

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;</style></title>{{7*7}}\x00\x1b\ud800"
VOID = {"img", "meta", "br", "hr"}


class Reader(HTMLParser):
    """Elements with their attributes, and whether every element that opens is closed in its place."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((name, dict(attributes)))
        if name not in VOID:
            self.open.append(name)

    def handle_startendtag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((name, dict(attributes)))

    def handle_endtag(self, name: str) -> None:
        assert self.open.pop() == name

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for each, attributes in self.elements if each == name]


def full_page(text: str, state: Any = "running") -> Page:
    frames = np.random.default_rng(0).integers(0, 256, (2, 3, 8, 8)).astype(np.uint8)
    row = {"metric": text, "of": text, "value": 2.0, "low": 1.0, "high": 3.0, "floor": 0.0, "ceiling": 4.0}
    rows = [{**row, "direction": "up", "signature": {text: text, "n": [1, {text: None}]}}]
    rows += [{**row, "metric": f"{text}/part", "signature": text}]
    return Page(
        title=text,
        says=text,
        state=state,
        failure=text,
        facts=[(text, text)],
        stories=[StoryCard(text, [text, text], {"real": frames, text: frames}, [[text], []], [[text], [text]])] * 5,
        stories_are=text,
        growth=[Growth(text, [text, text], [(0.1, frames), (1.0, frames)], frames)],
        numbers={text: rows},
        curves={text: [Curve(text, [0, 1], [1.0, 2.0])]},
        codes=np.array([3, 0, 1]),
        nodes=[Node(text, text), Node("b", text, (text,), "running")],
        details={text: text},
    )


@pytest.mark.parametrize("state", ["running", "finished", "failed"])
def test_text_never_becomes_markup(state: str) -> None:
    plain, evil = Reader(render(full_page("plain", state))), Reader(render(full_page(EVIL, state)))
    assert [name for name, _ in plain.elements] == [name for name, _ in evil.elements]
    assert [sorted(a) for _, a in plain.elements] == [sorted(a) for _, a in evil.elements]
    assert not evil.all("script")
    assert not [a for _, attributes in evil.elements for a in attributes if a.startswith("on")]
    assert "<script>alert(1)</script>" in "".join(evil.text)
    render(full_page(EVIL, state)).encode("utf-8")


@given(text=st.text(st.characters(codec=None), max_size=60))
def test_any_text_is_read_back_as_it_was(text: str) -> None:
    reader = Reader(str(tag("p", text, title=text)))
    assert len(reader.elements) == 1
    shown = re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", "\ufffd", text).encode("utf-8", "replace").decode()
    assert "".join(reader.text) == shown
    assert reader.all("p")[0]["title"] == shown


def test_html_is_built_from_parts() -> None:
    assert tag("a", "<", tag("b", ">"), None, [Html("<i></i>"), "&"], class_="x", hidden=True, title=None) == (
        '<a class="x" hidden>&lt;<b>&gt;</b><i></i>&amp;</a>'
    )
    assert join("<", None, tag("br")) == "&lt;<br>"
    assert tag("p", name="viewport", data_x=1) == '<p name="viewport" data-x="1"></p>'


def test_the_page_needs_nothing_from_elsewhere() -> None:
    text = render(full_page("plain"))
    assert "http:" not in text
    assert "https:" not in text
    assert "url(" not in text
    assert "@import" not in text
    reader = Reader(text)
    assert {name for name, _ in reader.elements} & {"script", "link", "iframe", "object", "embed", "base"} == set()
    assert all(str(image["src"]).startswith("data:image/png;base64,") for image in reader.all("img"))
    assert not [a for _, attributes in reader.elements for a in attributes if a in ("href", "srcset", "action")]


def test_only_a_running_page_asks_to_be_read_again() -> None:
    for state, times in (("running", 1), ("finished", 0), ("failed", 0), ("stopped", 0)):
        metas = Reader(render(full_page("x", state))).all("meta")
        assert len([m for m in metas if m.get("http-equiv") == "refresh"]) == times


def test_pictures_are_in_it_as_they_are() -> None:
    frame = np.random.default_rng(1).integers(0, 256, (3, 5, 7)).astype(np.uint8)
    image = Reader(str(picture(frame, "a frame"))).all("img")[0]
    data = base64.b64decode(str(image["src"]).split(",", 1)[1])
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))).transpose(2, 0, 1), frame)
    assert (image["width"], image["height"], image["alt"]) == ("7", "5", "a frame")


def _points(svg: str, name: str) -> list[tuple[float, float]]:
    found = [a for a in Reader(svg).all("polyline") + Reader(svg).all("polygon") if a["class"] == name]
    return [tuple(map(float, pair.split(","))) for pair in str(found[0]["points"]).split()]  # type: ignore[misc]


@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32) | st.floats(1e-9, 1e9), min_size=1, max_size=400)
)
def test_any_curve_stays_inside_its_chart(values: list[float]) -> None:
    svg = str(chart(Curve("loss", [10 * i for i in range(len(values))], values)))
    if not any(map(math.isfinite, values)):
        assert "nothing finite" in svg
        return
    points = _points(svg, "line")
    assert 1 <= len(points) <= POINTS
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points + _points(svg, "band"))
    assert [x for x, _ in points] == sorted(x for x, _ in points)


def test_losses_that_fall_far_are_drawn_on_a_logarithmic_scale() -> None:
    falling = Curve("loss", [0, 1, 2], [100.0, 10.0, 1.0])
    heights = [y for _, y in _points(str(chart(falling)), "line")]
    assert heights[1] - heights[0] == pytest.approx(heights[2] - heights[1], abs=0.2)
    rising = [y for _, y in _points(str(chart(Curve("lr", [0, 1, 2], [1.0, 50.5, 100.0]))), "line")]
    assert rising[0] - rising[1] == pytest.approx(rising[1] - rising[2], abs=0.2)


def test_many_points_become_means_in_a_band() -> None:
    values = [float(i % 2) for i in range(1600)]
    svg = str(chart(Curve("x", list(range(1600)), values)))
    band = {y for _, y in _points(svg, "band")}
    assert len(band) == 2
    assert {y for _, y in _points(svg, "line")} == {sum(band) / 2}


SHORT = {0: "0", 0.01234: "0.0123", 1.849: "1.85", 42.06: "42.1", 100.0: "100", 1234.4: "1,234", 3.2e-5: "3.2e-5"}
SHORT |= {1e-6: "1e-6", -0.5: "-0.5", math.nan: "nan", 2.5e7: "2.5e7"}


@pytest.mark.parametrize(("value", "text"), list(SHORT.items()))
def test_short_numbers(value: float, text: str) -> None:
    assert short(value) == text


def _row(**changes: Any) -> dict[str, Any]:
    row = {"metric": "m", "of": "model", "value": 30.0, "low": 28.0, "high": 32.0, "floor": 20.0, "ceiling": 40.0}
    return {**row, "direction": "up", "signature": None, **changes}


def test_the_way_from_floor_to_ceiling() -> None:
    assert share(_row()) == 0.5
    assert share(_row(direction="down", floor=40.0, ceiling=20.0, value=25.0)) == 0.75
    assert share(_row(value=10.0)) == -0.5
    for nothing in ({"floor": None}, {"ceiling": None}, {"ceiling": 20.0}, {"ceiling": 10.0}, {"value": math.nan}):
        assert share(_row(**nothing)) is None
    assert share(_row(direction=None)) is None


def _dots(svg: str) -> list[float]:
    return [float(str(c["cx"])) for c in Reader(svg).all("circle")]


def test_better_is_further_right() -> None:
    up = _dots(str(numbers([_row(value=25.0), _row(value=35.0)])))
    down = _dots(str(numbers([_row(value=v, direction="down", floor=40.0, ceiling=20.0) for v in (25.0, 35.0)])))
    assert up[0] < up[1]
    assert down[0] > down[1]
    assert sum(up) == pytest.approx(sum(down), abs=0.5)


def test_what_was_scored_on_two_splits_stays_apart() -> None:
    text = render(Page("two", numbers={"test": [_row(value=25.0)], "unseen pairs": [_row(value=35.0)]}))
    cards = [part.count("<circle") for part in re.split('class="metric card"', text)[1:]]
    assert cards == [1, 1]
    labels = [found.group(1) for found in re.finditer('<p class="label">([^<]*)</p>', text)]
    assert labels == ["test", "unseen pairs"]


def test_numbers_without_bounds_or_without_a_value() -> None:
    bare = {"metric": "m", "of": "x", "value": 1.0, "signature": "s"}
    assert len(_dots(str(numbers([bare])))) == 1
    text = str(numbers([_row(value=math.nan, low=None, high=None)]))
    assert _dots(text) == []
    assert "nan" in text


def test_parts_of_a_metric_are_folded_under_it() -> None:
    rows = [_row(of=of, metric=m) for m in ("f1", "f1/recall", "f1/Bobo", "psnr", "a/b") for of in ("model", "real")]
    reader = Reader(str(numbers(rows)))
    assert len(reader.all("section")) == 3
    assert len(reader.all("tr")) == 3


def test_use_of_codes_against_numpy() -> None:
    spec = LatentSpec("ids", (2, 2), vocab=6)
    data = np.random.default_rng(0).integers(0, 4, (3, 4, 2, 2)).astype(np.uint8)
    captions = [["a"] * n for n in (4, 2, 1)]
    tokens = Tokens(spec, ["x", "y", "z"], captions, data, None, None, "")  # type: ignore[arg-type]
    counted = codes(tokens)
    real = np.concatenate([data[0].ravel(), data[1, :2].ravel(), data[2, :1].ravel()])
    assert counted.tolist() == [int((real == i).sum()) for i in range(6)]
    share_of = counted[counted > 0] / counted.sum()
    text = "".join(Reader(str(histogram(counted))).text)
    assert f"{(counted > 0).sum()} of 6 codes" in text
    assert f"as if {np.prod(share_of**-share_of):.0f} were" in text
    assert len(Reader(str(histogram(np.arange(5000)))).all("rect")) <= 512
    assert "0 of 3 codes" in "".join(Reader(str(histogram(np.zeros(3, np.int64)))).text)


def test_the_graph_goes_from_left_to_right() -> None:
    nodes = [
        Node("a", "fit"),
        Node("b", "train", ("a",)),
        Node("c", "sample", ("a", "b"), "done", 61.0),
        Node("d", "x"),
    ]
    reader = Reader(str(graph(nodes)))
    place = {n.name: float(str(r["x"])) for n, r in zip(nodes, reader.all("rect"), strict=True)}
    assert place["a"] == place["d"] < place["b"] < place["c"]
    # a -> c is not drawn: it goes by way of b.
    assert len(reader.all("path")) == 2
    assert "sample · 1 min 01 s" in reader.text
    assert Reader(str(graph([]))).all("rect") == []


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (9.96, "10 s"), (59.4, "59 s"), (60, "1 min 00 s"), (7260, "2 h 01 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_curves_are_read_from_the_log() -> None:
    lines = [
        {"step": "t", "iteration": i, "scalars": {"acc": i, "g/loss": -i, "once": 1} if i else {"once": 2}}
        for i in (2, 1, 0)
    ]
    lines += [
        {"step": "t", "iteration": 1, "image": "x", "path": "y"},
        {"step": "fit", "iteration": 0, "scalars": {"n": 1}},
    ]
    found = curves(lines)
    assert list(found) == ["t"]
    assert [c.name for c in found["t"]] == ["g/loss", "acc", "once"]
    assert found["t"][1] == Curve("acc", [1, 2], [1, 2])


def test_cards_show_what_was_drawn_for_the_story(tiny_run: Any) -> None:
    data, drawn = tiny_run.option("sample", "data"), tiny_run.outputs["sample.pictures"]
    found = cards(data, {"drawn": drawn}, 7)
    assert len(found) == 7
    assert np.array_equal(found[2].rows["drawn"], drawn.frames[2])
    assert list(found[6].rows) == ["real"]
    names = data.dataset.cast.names
    assert found[0].told == [[n for n, t in zip(names, row, strict=True) if t] for row in data[0].characters]


def test_the_page_of_a_run(tiny_run: Any) -> None:
    path = tiny_run.dir / "index.html"
    reader = Reader(path.read_text(encoding="utf-8"))
    text = "".join(reader.text)
    for wanted in ("A tiny run", "finished", "Stories", "As it learned", "Curves", "Codebook", "Steps", "100 %"):
        assert wanted in text
    for story in tiny_run.option("sample", "data")[:5]:
        assert all(caption in text for caption in story.captions)
    # hero 5; 8 stories real, 5 of them rebuilt and drawn; 2 steps of 2 stories at 4 tenths and real
    assert len(reader.all("img")) == 5 * (1 + 8 + 5 + 5 + 2 * 2 * (4 + 1))
    assert path.stat().st_size < 2_000_000
    assert str(Path.home()) not in "".join(c for n, a in reader.elements for c in a.values() if c and n != "img")


def test_the_page_is_there_while_the_run_goes_on(tiny_recipe: dict[str, Any], tmp_path: Path) -> None:
    from gst.errors import TrainingError
    from gst.progress import Progress
    from gst.run import run_recipe
    from gst.store import Store

    recipe = {**tiny_recipe, "steps": {**tiny_recipe["steps"]}}
    recipe["steps"]["train"] = {**recipe["steps"]["train"], "lr": 1e30, "clip": 0, "weight_decay": 0}
    store = Store(tmp_path / "store")
    with pytest.raises(TrainingError):
        run_recipe(recipe, out=tmp_path / "run", probe=False, store=store, progress=Progress(quiet=True))
    reader = Reader((tmp_path / "run" / "index.html").read_text(encoding="utf-8"))
    text = "".join(reader.text)
    assert "step 'train' failed" in text
    assert "Wumo" in text
    assert "Codebook" in text
    assert len(reader.all("img")) >= 5 * 9
