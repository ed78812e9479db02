"""Recipes as text: YAML 1.2 scalars, lines, limits, and clear errors for whatever else a file may hold."""

from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gst.errors import RecipeError
from gst.recipe.loader import MAX_BYTES, MAX_DEPTH, parse, read_file
from gst.recipe.nodes import from_plain
from gst.rundir import dump_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("1E5", 1e5),
        (".5", 0.5),
        ("-3.", -3.0),
        ("+12", 12),
        ("010", 10),
        ("0o10", 8),
        ("0xff", 255),
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("on", "on"),
        ("12:30:45", "12:30:45"),
        ("1_000", "1_000"),
        ("2020-01-01", "2020-01-01"),
        ("~", None),
        ("null", None),
        ("", None),
        ("'1'", "1"),
        ('"true"', "true"),
        ("1e", "1e"),
        ("0b11", "0b11"),
        (".inf", float("inf")),
        ("=", "="),
        ("<<", "<<"),
    ],
)
def test_scalars_follow_yaml_1_2(text, value):
    found = parse(f"a: {text}", "x.yaml").plain()["a"]
    assert found == value
    assert type(found) is type(value)


def test_every_value_knows_its_line():
    tree = parse("gst: 1\nsteps:\n  train: {use: train,\n    lr: 1e-3}\n  list:\n    - a\n    - b: 2\n", "x.yaml")
    lines = {".".join(path): node.line for path, node in tree.walk()}
    assert lines == {
        "gst": 1,
        "steps": 2,
        "steps.train": 3,
        "steps.train.use": 3,
        "steps.train.lr": 4,
        "steps.list": 5,
        "steps.list.0": 6,
        "steps.list.1": 7,
        "steps.list.1.b": 7,
    }


BAD = {
    "duplicate": ("a: 1\nb: 2\na: 3\n", 3, "has the key 'a' twice (first in line 1)"),
    "nested duplicate": ("a:\n  b: 1\n  b: 2\n", 3, "twice"),
    "at sign": ("a: 1\nb: @prior\n", 2, "put the text in quotes"),
    "braces": ("a: {b: ${c}}\n", 1, "write references as $name"),
    "tab": ("a:\n\tb: 1\n", 2, "not with tabs"),
    "unclosed": ("a: [1, 2\n", 2, "is not YAML"),
    "tag": ("a: 1\nb: !!python/object:os.system x\n", 2, "uses the tag"),
    "own tag": ("a: !thing 1\n", 1, "uses the tag !thing"),
    "set": ("a: !!set {x, y}\n", 1, "uses the tag"),
    "number key": ("a: {1: x}\n", 1, "has the key 1, which is not text"),
    "null key": ("? \n: x\n", 1, "not text"),
    "list key": ("? [a]\n: x\n", 1, "as a key"),
    "two documents": ("a: 1\n---\nb: 1\n", 2, "more than one YAML document"),
    "unknown alias": ("a: *b\n", 1, "uses *b"),
    "alias of itself": ("a: &x [*x]\n", 1, "uses *x"),
    "long number": ("a: " + "9" * 5000, 1, "a number of 5000 digits"),
    "control character": ("a: 1\nb: \x07\n", 2, "not allowed"),
    "directive": ("%FOO\n---\n%YAML 9.9", None, "YAML"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_text_is_refused_with_file_and_line(case, tmp_path):
    text, line, message = BAD[case]
    file = tmp_path / "r.yaml"
    file.write_text(text)
    with pytest.raises(RecipeError) as caught:
        read_file(file)
    (problem,) = caught.value.problems
    assert message in problem.message
    assert problem.file == str(file)
    assert line is None or problem.line == line


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"# only a comment\n", "is empty"),
        (b"a: 1\nb: \xff\xfe\n", "is not UTF-8"),
        ("a: 1".encode("utf-16"), "is not UTF-8"),
        (b"a: " + b"x" * MAX_BYTES, "is larger than"),
        (b"[" * (MAX_DEPTH + 1), "nested deeper"),
        (b"[" * 100_000, "nested deeper"),
        (b"a: " + b"{b: " * 5000, "nested deeper"),
    ],
)
def test_bad_files_are_refused(data, message, tmp_path):
    file = tmp_path / "r.yaml"
    file.write_bytes(data)
    with pytest.raises(RecipeError, match=message):
        read_file(file)


def test_a_byte_order_mark_is_no_problem(tmp_path):
    (tmp_path / "r.yaml").write_bytes(b"\xef\xbb\xbfgst: 1\n")
    assert read_file(tmp_path / "r.yaml").plain() == {"gst": 1}


def test_what_is_no_file_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "none.yaml"):
        with pytest.raises(RecipeError, match="cannot be read"):
            read_file(path)


def test_aliases_work_but_are_no_bomb():
    assert parse("a: &x {b: 1}\nc: *x", "r").plain() == {"a": {"b": 1}, "c": {"b": 1}}
    bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)
    )
    with pytest.raises(RecipeError, match="aliases counted"):
        parse(bomb, "r")
    chain = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 3000))
    with pytest.raises(RecipeError):
        parse(chain, "r").plain()


quiet = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quiet
@given(st.text(alphabet=st.sampled_from("ab1:-[]{}&*!|>'\"%@`#,?\n\t \\$.e~\u0085\ufeff\x00é"), max_size=60))
def test_any_text_parses_or_is_refused(text):
    with suppress(RecipeError):
        parse(text, "r.yaml").plain()


@quiet
@given(st.binary(max_size=80))
def test_any_bytes_parse_or_are_refused(tmp_path, data):
    file = Path(tmp_path) / "r.yaml"
    file.write_bytes(data)
    with suppress(RecipeError):
        read_file(file)


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@quiet
@given(st.dictionaries(st.text(max_size=8), plain, min_size=1, max_size=4))
def test_what_is_dumped_reads_back_as_it_was(data):
    text = dump_yaml(data)
    assert parse(text, "r").plain() == data == from_plain(data).plain()


def test_safe_yaml_reads_the_same_structure():
    text = Path(__file__).parents[1].joinpath("pyproject.toml").name
    document = f"a: [1, two, {{b: '{text}'}}]\nc: |\n  lines\n  of text\nd: >-\n  folded\n  text\n"
    assert parse(document, "r").plain() == yaml.safe_load(document)
