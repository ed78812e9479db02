"""The order of steps and their fingerprints: what changes them, and what must not."""

import itertools
import sys
from importlib import reload

import pytest

from gst.errors import DataError, UsageError
from gst.fingerprint import code_hash, digest
from gst.graph import Graph
from gst.make import Maker
from gst.recipe import load_recipe

RECIPE = {
    "gst": 1,
    "seed": 3,
    "components": {
        "data": {"use": "toy-data"},
        "text": {"use": "toy-text"},
        "tokenizer": {"use": "toy-tokenizer"},
        "prior": {"use": "toy-prior"},
        "guidance": {"use": "toy-guidance"},
        "sampler": {"use": "toy-sampler", "guidance": "$guidance"},
    },
    "steps": {
        "join": {"use": "toy-join", "tables": {"a": "$draw.table", "b": "$count.table"}},
        "draw": {"use": "toy-draw", "prior": "$train.model", "sampler": "$sampler", "data": "$data.test"},
        "train": {
            "use": "toy-train",
            "model": "$prior",
            "data": "$data.train",
            "tokenizer": "$vq.model",
            "text": "$fit.text",
        },
        "fit": {"use": "toy-fit", "text": "$text", "data": "$data.train"},
        "vq": {"use": "toy-train", "model": "$tokenizer", "data": "$data.train"},
        "count": {"use": "toy-count", "data": "$data"},
    },
}
ALL = {"join", "draw", "train", "fit", "vq", "count"}


@pytest.fixture(autouse=True)
def _toys(toys):
    pass


def prints(*overrides, recipe=RECIPE):
    loaded = load_recipe(recipe, overrides)
    return Graph(loaded).fingerprints(Maker(loaded, lambda step, port: None))


def changed(*overrides):
    before, after = prints(), prints(*overrides)
    return {name for name in before if before[name] != after[name]}


def test_steps_run_after_what_they_need():
    graph = Graph(load_recipe(RECIPE))
    place = {name: i for i, name in enumerate(graph.order)}
    assert set(place) == ALL
    assert all(place[before] < place[name] for name in ALL for before in graph.needs(name))
    assert graph.upstream("draw") == {"train", "fit", "vq"}
    assert graph.downstream("vq") == {"train", "draw", "join"}
    assert {(e.option, str(e.ref)) for e in graph.edges("join")} == {
        ("tables.a", "$draw.table"),
        ("tables.b", "$count.table"),
    }


def test_a_component_that_takes_an_output_makes_its_users_wait():
    recipe = {
        "gst": 1,
        "components": {"data": {"use": "toy-data"}, "tok": {"use": "toy-tokenizer"}},
        "steps": {
            "join": {"use": "toy-join", "tables": {"a": "$count.table"}},
            "count": {"use": "toy-count", "data": "$data"},
        },
    }
    assert Graph(load_recipe(recipe)).order == ("count", "join")


def test_selection():
    graph = Graph(load_recipe(RECIPE))
    assert set(graph.select()) == ALL
    assert graph.select(only=["draw", "vq"]) == ("vq", "draw")
    assert set(graph.select(from_="train")) == {"train", "draw", "join"}
    assert set(graph.select(until="train")) == {"fit", "vq", "train"}
    assert graph.select(from_="vq", until="train") == ("vq", "train")
    with pytest.raises(UsageError, match=r"Did you mean 'train'\?"):
        graph.select(until="trian")


def test_fingerprints_are_stable_and_all_different():
    assert prints() == prints()
    assert len(set(prints().values())) == len(ALL)


@pytest.mark.parametrize(
    ("override", "steps"),
    [
        ("sampler.steps=9", {"draw", "join"}),
        ("guidance.scale=2.0", {"draw", "join"}),
        ("prior.dim=8", {"train", "draw", "join"}),
        ("tokenizer.vocab=8", {"vq", "train", "draw", "join"}),
        ("text.length=8", {"fit", "train", "draw", "join"}),
        ("data.shade=1", ALL),
        ("count.factor=2", {"count", "join"}),
        ("seed=4", ALL),
        ("train.seed=4", {"train", "draw", "join"}),
        ("train.seed=3", set()),
        ("train.title=Anything", set()),
        ("train.note=Anything", set()),
        ("title=Anything", set()),
        ("prior.dim=2", set()),
        ("runtime.device=cpu", set()),
        ("runtime.threads=1", set()),
        ("runtime.precision=auto", set()),
        ("runtime.precision=fp32", ALL),
        ("join.tables={b: $count.table, a: $draw.table}", set()),
        ("join.tables={a: $count.table, b: $draw.table}", {"join"}),
    ],
)
def test_what_changes_which_fingerprint(override, steps):
    assert changed(override) == steps


def test_names_of_components_and_steps_do_not_matter():
    renamed = {
        "gst": 1,
        "seed": 3,
        "components": {"world": {"use": "toy-data"}, "codes": {"use": "tokenizer/toy-tokenizer", "vocab": 4}},
        "steps": {"first": {"use": "toy-train", "model": "$codes", "data": "$world.train"}},
    }
    assert prints(recipe=renamed)["first"] == prints()["vq"]
    inline = {
        **renamed,
        "components": {"world": {"use": "toy-data"}},
        "steps": {"first": {"use": "toy-train", "model": {"use": "toy-tokenizer"}, "data": "$world.train"}},
    }
    assert prints(recipe=inline)["first"] == prints()["vq"]


def test_missing_data_say_so():
    with pytest.raises(DataError, match="no folder 'toys'"):
        prints("data.missing=true")


def test_digest_tells_values_apart():
    values = [None, 0, 1, 1.0, True, "1", [1], ["1"], {"a": 1}, {"a": 1.0}, [[1]], [1, 1], {"b": 1}, "", []]
    for a, b in itertools.combinations(values, 2):
        assert digest(a) != digest(b), (a, b)
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest((1, 2)) == digest([1, 2])


SOURCE = {
    "__init__": "import gst_code.unrelated\n",
    "model": '"""A model."""\nfrom typing import TYPE_CHECKING\nimport json\nfrom gst_code import numbers\n'
    "from .deep.parts import part\nif TYPE_CHECKING:\n    import gst_code.types\n\n\nclass Model:\n"
    "    x = numbers.ONE + part()\n",
    "numbers": "ONE = 1\n",
    "types": "T = int\n",
    "unrelated": "Y = 1\n",
    "deep/__init__": "",
    "deep/parts": "def part():\n    from gst_code.deep import lazy\n    return lazy.Z\n",
    "deep/lazy": "Z = 3\n",
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "gst_code"
    (folder / "deep").mkdir(parents=True)
    for name, text in SOURCE.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [n for n in sys.modules if n.partition(".")[0] == "gst_code"]:
        del sys.modules[name]


def hash_after(package, **edits):
    """The code hash in a new process, so to speak: nothing that was read before is remembered."""
    from gst import fingerprint

    fingerprint._module.cache_clear()
    for name, text in {**SOURCE, **{k.replace("__", "/"): v for k, v in edits.items()}}.items():
        (package / f"{name}.py").write_text(text)
    import gst_code.model

    reload(sys.modules["gst_code.model"])
    return code_hash(gst_code.model.Model)


def test_the_code_hash_follows_imports_inside_the_package(package):
    before = hash_after(package)
    assert hash_after(package) == before
    assert hash_after(package, numbers="ONE = 2\n") != before
    assert hash_after(package, deep__lazy="Z = 4\n") != before, "imported inside a function, from a subpackage"
    assert hash_after(package, model=SOURCE["model"] + "\n\ndef more():\n    return 1\n") != before


def test_the_code_hash_leaves_out_what_cannot_matter(package):
    before = hash_after(package)
    assert hash_after(package, unrelated="Y = 2\n") == before, "not imported by the module"
    assert hash_after(package, types="T = str\n") == before, "imported for type checking only"
    assert hash_after(package, numbers='"""Docs."""\n\n# a comment\nONE = (\n    1\n)\n') == before


def test_core_is_represented_by_its_format():
    from gst.kinds import Step
    from gst.steps.train import Train

    assert code_hash(Train) == code_hash(Step)
    assert code_hash(Train).startswith("core-")


def test_a_change_of_a_plugins_code_changes_its_steps_and_those_after(monkeypatch, tmp_path):
    from gst import fingerprint

    before = prints()
    real = fingerprint._source
    edited = tmp_path / "numbers.py"
    edited.write_text("START = 1.0\n")
    fingerprint._module.cache_clear()
    monkeypatch.setattr(fingerprint, "_source", lambda name: edited if name == "gst_toys.numbers" else real(name))
    after = prints()
    fingerprint._module.cache_clear()
    # numbers is imported by models: tokenizer, prior and text are there; steps, data and sampling do not import it.
    assert {name for name in before if before[name] != after[name]} == {"vq", "train", "fit", "draw", "join"}
