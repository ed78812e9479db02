"""Bases, overrides, the smoke section, and where recipes are found."""

import pytest

from gst.errors import RecipeError, UsageError
from gst.recipe import load_recipe
from gst.recipe.extends import load_tree
from gst.recipe.load import read_tree
from gst.recipe.loader import parse
from gst.recipe.overrides import apply, from_command_line

BASE = """\
gst: 1
seed: 1
components:
  data: {use: toy-data, stories: 3}
  prior: {use: toy-prior, dim: 4, drop_text: 0.1}
  sampler: {use: toy-sampler, steps: 5, guidance: {use: toy-guidance, ask: [text]}}
steps:
  count: {use: toy-count, data: $data}
smoke:
  data.stories: 1
"""


def find(name, folder):
    path = folder / name
    if not path.exists():
        raise RecipeError([])
    return path


def write(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)


def test_mappings_merge_and_everything_else_is_replaced(tmp_path):
    write(
        tmp_path,
        base=BASE,
        mine="extends: base.yaml\nseed: 2\ncomponents:\n  prior: {dim: 8}\n"
        "  sampler: {guidance: {ask: [characters, all]}}\n",
    )
    tree = load_tree(tmp_path / "mine.yaml", find)
    plain = tree.plain()
    assert plain["seed"] == 2
    assert plain["components"]["prior"] == {"use": "toy-prior", "dim": 8, "drop_text": 0.1}
    assert plain["components"]["sampler"]["guidance"] == {"use": "toy-guidance", "ask": ["characters", "all"]}
    assert plain["components"]["sampler"]["steps"] == 5
    assert "extends" not in plain
    assert (tree.at(("components", "prior", "dim")).file, tree.at(("components", "prior", "dim")).line) == (
        str(tmp_path / "mine.yaml"),
        4,
    )
    assert tree.at(("components", "prior", "drop_text")).file == str(tmp_path / "base.yaml")


def test_a_mapping_that_names_all_keys_of_the_base_gives_their_order(tmp_path):
    write(
        tmp_path,
        base="rows: {a: 1, model: 2}\nmore: {a: 1, b: 2}\n",
        mine="extends: base.yaml\nrows: {a: 1, c: 3, model: 2}\nmore: {b: 4, c: 3}\n",
    )
    plain = load_tree(tmp_path / "mine.yaml", find).plain()
    assert list(plain["rows"].items()) == [("a", 1), ("c", 3), ("model", 2)]
    assert list(plain["more"].items()) == [("a", 1), ("b", 4), ("c", 3)]


def test_another_use_replaces_all_options(tmp_path):
    write(tmp_path, base=BASE, mine="extends: base.yaml\ncomponents:\n  prior: {use: toy-stream}\n")
    assert load_tree(tmp_path / "mine.yaml", find).plain()["components"]["prior"] == {"use": "toy-stream"}


def test_several_bases_in_order_and_bases_of_bases(tmp_path):
    write(
        tmp_path,
        one="a: 1\nb: 1\nc: 1\n",
        two="extends: zero.yaml\nb: 2\nc: 2\n",
        zero="z: 0\na: 0\n",
        mine="extends: [one.yaml, two.yaml]\nc: 3\n",
    )
    assert load_tree(tmp_path / "mine.yaml", find).plain() == {"a": 0, "b": 2, "c": 3, "z": 0}


def test_a_base_is_relative_to_the_file_that_names_it(tmp_path):
    (tmp_path / "deep").mkdir()
    write(tmp_path, base="a: 1\n")
    write(tmp_path / "deep", middle="extends: ../base.yaml\nb: 1\n")
    write(tmp_path, mine="extends: deep/middle.yaml\n")
    assert load_tree(tmp_path / "mine.yaml", find).plain() == {"a": 1, "b": 1}


def test_a_circle_of_bases_is_refused_with_the_chain(tmp_path):
    write(tmp_path, a="extends: b.yaml\n", b="x: 1\nextends: c.yaml\n", c="extends: b.yaml\n")
    with pytest.raises(RecipeError, match=r"b\.yaml -> c\.yaml -> b\.yaml") as caught:
        load_tree(tmp_path / "a.yaml", find)
    assert (caught.value.problems[0].file, caught.value.problems[0].line) == (str(tmp_path / "c.yaml"), 1)


@pytest.mark.parametrize("text", ["extends: 3\n", "extends: {a: b}\n", "extends: [1]\n", "- a\n", "word\n"])
def test_what_is_no_recipe_or_no_base_is_refused(tmp_path, text):
    write(tmp_path, mine=text)
    with pytest.raises(RecipeError) as caught:
        load_tree(tmp_path / "mine.yaml", find)
    assert caught.value.problems[0].file == str(tmp_path / "mine.yaml")


def test_a_missing_base_names_what_there_is(toys, tmp_path):
    write(tmp_path, mine="gst: 1\nextends: maskgst_gc\nsteps: {}\n")
    with pytest.raises(RecipeError, match=r"Did you mean .*'maskgst_cg'"):
        load_recipe(tmp_path / "mine.yaml")


def set_(text, *pairs):
    tree, problems = apply(parse(text, "r.yaml"), from_command_line(pairs))
    return tree, [problem.message for problem in problems]


def changed(*pairs):
    tree, problems = set_(BASE, *pairs)
    assert problems == []
    return tree.plain()


@pytest.mark.parametrize(
    ("pair", "path", "value"),
    [
        ("components.prior.dim=8", ("components", "prior", "dim"), 8),
        ("prior.dim=1e2", ("components", "prior", "dim"), 100.0),
        ("dim=16", ("components", "prior", "dim"), 16),
        ("prior.characters=true", ("components", "prior", "characters"), True),
        ("sampler.guidance.scale=0.5", ("components", "sampler", "guidance", "scale"), 0.5),
        ("guidance.scale=0.5", ("components", "sampler", "guidance", "scale"), 0.5),
        ("guidance.ask[0]=all", ("components", "sampler", "guidance", "ask", 0), "all"),
        ("guidance.ask.0=all", ("components", "sampler", "guidance", "ask", 0), "all"),
        ("ask=[a, b]", ("components", "sampler", "guidance", "ask"), ["a", "b"]),
        ("data={use: toy-data, stories: 9}", ("components", "data"), {"use": "toy-data", "stories": 9}),
        ("seed=7", ("seed",), 7),
        ("count.seed=7", ("steps", "count", "seed"), 7),
        ("runtime.device=cpu", ("runtime", "device"), "cpu"),
        ("prior.dim=", ("components", "prior", "dim"), None),
        ("title=a = b", ("title",), "a = b"),
        ("prior.dim='8'", ("components", "prior", "dim"), "8"),
    ],
)
def test_overrides_take_full_paths_names_and_unique_suffixes(pair, path, value):
    plain = changed(pair)
    for part in path:
        plain = plain[part]
    assert plain == value


def test_several_overrides_apply_in_order():
    plain = changed("prior.dim=8", "prior.dim=10", "sampler.steps=1")
    assert plain["components"]["prior"]["dim"] == 10
    assert plain["components"]["sampler"]["steps"] == 1


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("use=x", "ambiguous: it may be components.data.use, components.prior.use"),
        ("nothing.dim=1", "names nothing in this recipe"),
        ("pryor.dim=1", "Did you mean 'prior'?"),
        ("prior.dim.deep=1", "names nothing"),
        ("guidance.ask.5=x", "has 1 items, counted from 0"),
        ("components.new.dim=1", "there is no components.new"),
        ("=1", None),
        ("prior.dim", None),
        ("prior..dim=1", "names nothing"),
        (".=1", "names nothing"),
    ],
)
def test_overrides_that_name_nothing_are_refused(pair, message):
    if message is None:
        with pytest.raises(UsageError, match="not PATH=VALUE"):
            set_(BASE, pair)
    else:
        assert message in set_(BASE, pair)[1][0]


def test_an_override_that_is_no_yaml_says_so():
    with pytest.raises(RecipeError, match=r"-s prior.dim=\[1, 2"):
        from_command_line(["prior.dim=[1, 2"])


def test_a_problem_with_an_override_names_the_override(toys):
    recipe = {
        "gst": 1,
        "components": {"data": {"use": "toy-data"}},
        "steps": {"c": {"use": "toy-count", "data": "$data"}},
    }
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe, ["data.stories=many"])
    (problem,) = caught.value.problems
    assert problem.file == "-s data.stories=many"
    assert problem.where == "components.data.stories"


def test_the_smoke_section_comes_before_the_command_line(toys, tmp_path):
    write(tmp_path, mine=BASE)
    assert load_recipe(tmp_path / "mine.yaml").components["data"].options["stories"] == 3
    assert load_recipe(tmp_path / "mine.yaml", smoke=True).components["data"].options["stories"] == 1
    louder = load_recipe(tmp_path / "mine.yaml", ["data.stories=2"], smoke=True)
    assert louder.components["data"].options["stories"] == 2


def test_null_takes_a_step_out_of_a_base(toys, tmp_path):
    write(
        tmp_path,
        base=BASE,
        mine="extends: base.yaml\nsteps:\n  count:\n  other: {use: toy-count, data: $data}\n",
    )
    assert list(load_recipe(tmp_path / "mine.yaml").steps) == ["other"]


def test_a_dict_may_extend_a_file(toys, tmp_path):
    write(tmp_path, base=BASE)
    tree, _, _ = read_tree({"extends": str(tmp_path / "base.yaml"), "seed": 9})
    assert tree.plain()["seed"] == 9
    assert tree.plain()["components"]["prior"]["dim"] == 4
    with pytest.raises(RecipeError, match="nothing a recipe can hold"):
        load_recipe({"gst": 1, "steps": {"a": object()}})


def test_recipes_are_found_by_file_and_by_name(toys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name, by_path = (load_recipe(each).path for each in ("maskgst_cg", "recipes/maskgst_cg.yaml"))
    assert name == by_path
    with pytest.raises(UsageError, match=r"Did you mean .*'maskgst_cg'"):
        load_recipe("recipes/maskgst_gc.yaml")


def test_a_smoke_entry_of_null_takes_back_the_base_s(tmp_path, toys):
    write(tmp_path, base=BASE, mine="extends: base.yaml\nsmoke:\n  data.stories: null\n  prior.dim: 2\n")
    recipe = load_recipe(str(tmp_path / "mine.yaml"), smoke=True)
    assert recipe.components["data"].options["stories"] == 3
    assert recipe.components["prior"].options["dim"] == 2
