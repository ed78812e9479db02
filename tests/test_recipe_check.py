"""Every kind of problem in a recipe: all of them in one pass, each with file, line and what would be right."""

from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gst import plugins
from gst.errors import GstError, PluginError, RecipeError
from gst.recipe import load_recipe
from gst.recipe.load import check_recipe
from gst.recipe.loader import parse
from gst.recipe.nodes import from_plain

GOOD = """\
gst: 1
title: Toys
seed: 3
output: $draw.table
runtime: {device: cpu, precision: fp32}
components:
  data: {use: toy-data}
  text: {use: toy-text}
  tokenizer: {use: tokenizer/toy-tokenizer}
  prior: {use: toy-prior, dim: 4, drop_text: 1e-1, characters: true}
  guidance: {use: toy-guidance, scale: 1e-1, ask: [text], characters: true}
  sampler: {use: toy-sampler, guidance: $guidance}
steps:
  fit: {use: toy-fit, text: $text, data: $data.train}
  vq: {use: toy-train, model: $tokenizer, data: $data.train}
  train: {use: toy-train, model: $prior, data: $data.train, tokenizer: $vq.model, text: $fit.text}
  draw: {use: toy-draw, prior: $train.model, sampler: $sampler, data: $data.test}
  join: {use: toy-join, tables: {a: $draw.table}, more: [$draw.table]}
smoke:
  data.stories: 1
"""


@pytest.fixture(autouse=True)
def _toys(toys):
    pass


def problems_of(tmp_path, text):
    file = tmp_path / "r.yaml"
    file.write_text(text)
    try:
        return check_recipe(file)[1], file
    except RecipeError as error:
        return error.problems, file


def test_a_good_recipe_has_no_problems(tmp_path):
    (tmp_path / "r.yaml").write_text(GOOD)
    recipe, problems = check_recipe(tmp_path / "r.yaml")
    assert problems == []
    assert recipe.warnings == ()
    assert recipe.components["prior"].options == {"dim": 4, "characters": True, "drop_text": 0.1}
    assert recipe.components["prior"].given == ("dim", "drop_text", "characters")
    assert str(recipe.output) == "$draw.table"
    assert recipe.steps["draw"].options["prior"].cls.__name__ == "ToyPrior"


# what is replaced in GOOD, by what, the line of the problem, its path, its message
ONE = {
    "format missing": ("gst: 1\n", "", 1, "gst", "gst: 1"),
    "format unknown": ("gst: 1", "gst: 2", 1, "gst", "this gst reads format 1"),
    "format text": ("gst: 1", "gst: '>=0.1'", 1, "gst", "format '>=0.1'"),
    "unknown section": ("title: Toys", "titel: Toys", 2, "titel", "Did you mean 'title'?"),
    "bad seed": ("seed: 3", "seed: -3", 3, "seed", "a whole number from 0"),
    "seed as text": ("seed: 3", "seed: three", 3, "seed", "not 'three'"),
    "bad title": ("title: Toys", "title: [a]", 2, "title", "is text"),
    "bad device": ("device: cpu", "device: gpu", 5, "runtime.device", "auto or cpu or cuda"),
    "bad runtime": ("device: cpu", "devise: cpu", 5, "runtime.devise", "Did you mean 'device'?"),
    "runtime no mapping": ("{device: cpu, precision: fp32}", "cpu", 5, "runtime", "is a mapping"),
    "output no reference": ("output: $draw.table", "output: draw", 4, "output", "such as $sample.pictures"),
    "output unknown port": ("output: $draw.table", "output: $draw.tabel", 4, "output", "Did you mean 'table'?"),
    "output no port": ("output: $draw.table", "output: $sampler", 4, "output", "is the port of a step"),
    "components no mapping": ("  data: {use: toy-data}\n", "  data: 7\n", 7, "components.data", "has no `use`"),
    "no use": ("{use: toy-text}", "{length: 4}", 8, "components.text", "has no `use`"),
    "use no text": ("{use: toy-text}", "{use: 7}", 8, "components.text.use", "not 7"),
    "unknown use": ("use: toy-text", "use: toy-txet", 8, "components.text.use", "Did you mean 'toy-text'"),
    "unknown kind": ("tokenizer/toy", "tokeniser/toy", 9, "components.tokenizer.use", "Did you mean 'tokenizer'?"),
    "step as component": ("use: toy-text", "use: toy-fit", 8, "components.text.use", "step/toy-fit"),
    "component as step": ("use: toy-fit", "use: toy-text", 14, "steps.fit.use", "text/toy-text"),
    "bad name": ("  join:", "  9join:", 18, "steps.9join", "is no name"),
    "name used twice": ("  join:", "  prior:", 18, "steps.prior", "is a component too"),
    "unknown option": ("dim: 4", "dims: 4", 10, "components.prior.dims", "Did you mean 'dim'?"),
    "wrong type": ("dim: 4", "dim: four", 10, "components.prior.dim", "should be a whole number, got 'four'"),
    "bound option": ("dim: 4", "latents: 4", 10, "components.prior.latents", "no option"),
    "missing option": (", sampler: $sampler, data", ", data", 17, "steps.draw", "needs the option 'sampler'"),
    "bad step seed": ("use: toy-fit,", "use: toy-fit, seed: x,", 14, "steps.fit.seed", "a whole number from 0"),
    "unknown reference": ("model: $prior", "model: $pryor", 16, "steps.train.model", "Did you mean 'prior'?"),
    "no reference": ("model: $prior", "model: $prior.a.b", 16, "steps.train.model", "is no reference"),
    "forgotten dollar": ("model: $prior", "model: prior", 16, "steps.train.model", "write $prior"),
    "unknown port": ("$vq.model", "$vq.modle", 16, "steps.train.tokenizer", "Did you mean 'model'? It gives $vq.model"),
    "no port": (
        "tokenizer: $vq.model",
        "tokenizer: $vq",
        16,
        "steps.train.tokenizer",
        "refer to what it gives: $vq.model",
    ),
    "port of a component": ("$vq.model", "$sampler.model", 16, "steps.train.tokenizer", "data sets have splits"),
    "unknown split": ("$data.test", "$data.tset", 17, "steps.draw.data", "Did you mean 'test'?"),
    "data set for a split": ("data: $data.test", "data: $data", 17, "steps.draw.data", "a split of a data set"),
    "wrong kind": (
        "tokenizer: $vq.model",
        "tokenizer: $train.model",
        16,
        "steps.train.tokenizer",
        "should be a tokenizer",
    ),
    "wrong artifact": ("{a: $draw.table}", "{a: $vq.model}", 18, "steps.join.tables.a", "table"),
    "wrong artifact in a list": ("[$draw.table]", "[$fit.text]", 18, "steps.join.more[0]", "table"),
    "wrong component": ("guidance: $guidance", "guidance: $text", 12, "components.sampler.guidance", "a guidance"),
    "inline unknown": (
        "guidance: $guidance",
        "guidance: {use: toy-gidance}",
        12,
        "components.sampler.guidance.use",
        "Did you",
    ),
    "inline option": (
        "guidance: $guidance",
        "guidance: {use: toy-guidance, scall: 2}",
        12,
        "components.sampler.guidance.scall",
        "Did you mean 'scale'?",
    ),
    "inline of another kind": (
        "guidance: $guidance",
        "guidance: {use: toy-text}",
        12,
        "components.sampler.guidance.use",
        "wanted is a guidance",
    ),
    "out of range": ("{use: toy-data}", "{use: toy-data, stories: 0}", 7, "components.data", "at least one is needed"),
    "wrong family": (
        "use: toy-prior, dim: 4, drop_text: 1e-1, characters: true",
        "use: toy-stream",
        17,
        "steps.draw.sampler",
        "'toy-stream' is autoregressive",
    ),
    "branch never trained": ("ask: [text]", "ask: [all]", 11, "components.guidance", "to do without all"),
    "branch with rate 0": ("drop_text: 1e-1, ", "", 11, "components.guidance", "it learns to do without: nothing"),
    "no characters": (
        ", characters: true}\n  guidance",
        "}\n  guidance",
        11,
        "components.guidance",
        "needs a prior with characters",
    ),
    "untrained": ("prior: $train.model", "prior: $prior", 17, "steps.draw.prior", "trained it is $train.model"),
    "unfitted": ("text: $fit.text", "text: $text", 16, "steps.train.text", "trained it is $fit.text"),
    "smoke path": ("data.stories: 1", "data.store.x: 1", 20, "data.store.x", "names nothing"),
    "smoke value": ("data.stories: 1", "data.stories: x", 20, "components.data.stories", "should be a whole number"),
    "smoke no mapping": ("smoke:\n  data.stories: 1", "smoke: [1]", 19, "smoke", "is a mapping"),
    "trackers": ("device: cpu", "trackers: tensorboard", 5, "runtime.trackers", "a list of names"),
}


# Here a second thing is wrong too: a name that is gone, or a path of the smoke section.
FOLLOWED = ("name used twice", "components no mapping")


@pytest.mark.parametrize("case", ONE)
def test_one_problem(case, tmp_path):
    old, new, line, where, message = ONE[case]
    assert GOOD.count(old) == 1, "the test must change exactly one place"
    found, file = problems_of(tmp_path, GOOD.replace(old, new))
    matching = [p for p in found if message in p.message]
    assert len(matching) == 1, [str(p) for p in found]
    assert matching[0].where == where
    assert (matching[0].file, matching[0].line) == (str(file), line)
    if case not in FOLLOWED:
        assert len(found) == 1, [str(p) for p in found]


def test_all_problems_come_in_one_pass(tmp_path):
    text = GOOD.replace("dim: 4", "dims: 4").replace("$data.test", "$dta.test").replace("seed: 3", "seed: x")
    found, _ = problems_of(tmp_path, text)
    assert [(p.line, p.where) for p in sorted(found, key=lambda p: p.line)] == [
        (3, "seed"),
        (10, "components.prior.dims"),
        (17, "steps.draw.data"),
    ]
    with pytest.raises(RecipeError, match=r"(?s)3 problems in the recipe:.*r\.yaml:10  components\.prior\.dims"):
        load_recipe(tmp_path / "r.yaml")


def test_a_circle_is_shown_with_its_chain(tmp_path):
    text = GOOD.replace("more: [$draw.table]", "more: [$two.table]").replace(
        "smoke:", "  two: {use: toy-join, tables: {a: $join.table}}\nsmoke:"
    )
    found, _ = problems_of(tmp_path, text)
    assert [p.message for p in found] == ["goes in a circle: join -> two -> join"]


def test_unused_components_and_missing_data_are_warnings(tmp_path):
    text = GOOD.replace("  sampler:", "  spare: {use: toy-guidance}\n  sampler:").replace(
        "{use: toy-data}", "{use: toy-data, missing: true}"
    )
    (tmp_path / "r.yaml").write_text(text)
    recipe, problems = check_recipe(tmp_path / "r.yaml")
    assert problems == []
    assert sorted(recipe.warnings) == [
        "component 'spare' is not used by any step",
        "data set 'data' is not there yet: there is no folder 'toys'\n  Make it.",
    ]


def test_inline_components_and_nested_references_are_resolved(tmp_path):
    text = GOOD.replace("sampler: $sampler,", "sampler: {use: toy-sampler, guidance: {use: toy-guidance}},")
    (tmp_path / "r.yaml").write_text(text)
    recipe = load_recipe(tmp_path / "r.yaml")
    sampler = recipe.steps["draw"].options["sampler"]
    assert sampler.where == "steps.draw.sampler"
    assert sampler.options["guidance"].use == "toy-guidance"


def test_a_name_of_two_kinds_must_say_which(tmp_path):
    registry = plugins.registry()
    from gst.registry import Plugin, Registrar

    registrar = Registrar(Plugin("two", "gst-two", "1", "index"))
    registrar.add("metric", "toy-text", "gst_toys.models:ToyText", summary="Another kind")
    registry.accept(registrar)
    found, _ = problems_of(tmp_path, GOOD)
    assert [p.message for p in found] == [
        "'toy-text' is the name of a text and of a metric; write text/toy-text or metric/toy-text"
    ]


def test_a_missing_plugin_ends_with_its_own_error(tmp_path, monkeypatch):
    monkeypatch.setenv("GST_PLUGINS", "gst-toys")
    plugins._load.cache_clear()
    (tmp_path / "r.yaml").write_text(GOOD.replace("use: toy-text", "use: bpe"))
    with pytest.raises(PluginError, match="gst-maskgst") as caught:
        load_recipe(tmp_path / "r.yaml")
    assert caught.value.exit_code == 4


def test_a_broken_plugin_ends_with_its_cause(tmp_path, site, monkeypatch):
    site.install("gst-broken", "raise RuntimeError('no such library')\n")
    monkeypatch.syspath_prepend(site.folder)
    plugins._load.cache_clear()
    (tmp_path / "r.yaml").write_text(GOOD.replace("use: toy-text", "use: mystery"))
    with pytest.raises(PluginError, match="no such library") as caught:
        load_recipe(tmp_path / "r.yaml")
    assert caught.value.exit_code == 4
    (tmp_path / "r.yaml").write_text(GOOD)
    assert load_recipe(tmp_path / "r.yaml").steps  # a broken plugin that is not needed spoils nothing


words = st.sampled_from(
    [
        "$data",
        "$data.train",
        "$vq.model",
        "$join.table",
        "$x",
        "$",
        "$.",
        "$a.b.c",
        "toy-prior",
        "prior/toy-prior",
        "use",
        "",
    ]
)
values = st.recursive(
    words | st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words | st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
TREE = parse(GOOD, "r.yaml")
PATHS = [path for path, _ in TREE.walk()]
PIECES = ["prior", "dim", "components", "steps", "join", "more", "0", "[0]", ".", "x", "=", "8", "[", "]"]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(PATHS), values), min_size=1, max_size=3))
def test_whatever_stands_in_a_recipe_is_a_problem_and_no_crash(changes):
    tree = TREE
    for path, value in changes:
        if tree.at(path) is not None:
            tree = tree.put(path, from_plain(value))
    with suppress(GstError):
        load_recipe(tree.plain())


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(PIECES), max_size=6))
def test_whatever_is_set_is_a_problem_and_no_crash(words):
    with suppress(GstError):
        load_recipe(TREE.plain(), ["".join(words)])
