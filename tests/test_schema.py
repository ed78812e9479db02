"""Options read from signatures: what is accepted, what is refused, and in which words."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from gst import plugins, schema
from gst.artifacts import Pictures, Table, Tokens
from gst.component import Bound, Component
from gst.condition import TextSpec
from gst.errors import PluginError
from gst.kinds import Dataset, Metric, StorySet, Tokenizer, Trainable
from gst.latents import LatentSpec


class Base(Component):
    """A base.

    Args:
        dim: width of the base.
        heads: how many heads.
    """

    def __init__(self, dim: int = 64, heads: int = 4) -> None:
        self.dim, self.heads = dim, heads


class Everything(Base):
    """Takes everything an option can be.

    Args:
        required: has to be given
            (and goes on in a second line: like this).
        dim (int): width of the whole.
        data: the stories.
    """

    def __init__(
        self,
        required: str,
        *,
        dim: Annotated[int, Field(ge=8, le=1024, multiple_of=8)] = 64,
        rate: float = 0.1,
        flag: bool = False,
        mode: Literal["fast", "slow"] = "fast",
        depth: int | None = None,
        lr: float | Literal["auto"] = "auto",
        layers: Sequence[Literal["full", "self"]] = ("full",),
        grid: tuple[int, int] = (4, 4),
        sizes: list[int] = [],  # noqa: B006
        weights: Mapping[str, float] = {},
        root: Path | None = None,
        tokenizer: Tokenizer | None = None,
        model: Trainable | None = None,
        dataset: Dataset | None = None,
        data: StorySet | Tokens | None = None,
        pictures: dict[str, Pictures] = {},  # noqa: B006
        metrics: list[Metric] = [],  # noqa: B006
        latents: Bound[LatentSpec],
        text: Bound[TextSpec | None] = None,
    ) -> None:
        """Build it.

        Args:
            rate: how fast, a second.
        """


class Stand:
    """An unresolved reference to something of a class."""

    def __init__(self, cls: type) -> None:
        self.cls = cls


def check(**options: Any) -> list[str]:
    options.setdefault("required", "x")
    return [f"{p.where}  {p.message}" for p in schema.validate(Everything, options, "components.x", "every")[1]]


def clean(**options: Any) -> dict[str, Any]:
    found, problems = schema.validate(Everything, {"required": "x", **options}, "", "every")
    assert not problems
    return found


def test_signature() -> None:
    signature = schema.signature_of(Everything)
    assert [option.name for option in signature.options][:3] == ["required", "dim", "rate"]
    assert [argument.name for argument in signature.bound] == ["latents", "text"]
    assert [argument.required for argument in signature.bound] == [True, False]
    by_name = {option.name: option for option in signature.options}
    assert by_name["required"].required
    assert by_name["required"].doc == "has to be given (and goes on in a second line: like this)."
    assert by_name["dim"].doc == "width of the whole.", "the class wins over its base"
    assert by_name["rate"].doc == "how fast, a second.", "the docstring of __init__ counts too"
    assert by_name["data"].refs == (StorySet, Tokens)
    assert by_name["pictures"].refs == (Pictures,)
    assert by_name["metrics"].refs == (Metric,)
    assert by_name["grid"].refs == ()
    assert schema.signature_of(Component).options == []


def test_an_inherited_init_is_read_in_its_own_module() -> None:
    class Child(Base):
        pass

    options = schema.signature_of(Child).options
    assert [(o.name, o.default, o.doc) for o in options] == [
        ("dim", 64, "width of the base."),
        ("heads", 4, "how many heads."),
    ]


def test_what_a_class_hands_on_to_its_base_is_read_there() -> None:
    class Child(Base):
        """More.

        Args:
            more: than the base has.
        """

        def __init__(self, *, more: float = 0.5, heads: int = 8, latents: Bound[LatentSpec], **options: Any) -> None:
            super().__init__(heads=heads, **options)

    signature = schema.signature_of(Child)
    assert [(o.name, o.annotation, o.default, o.doc) for o in signature.options] == [
        ("more", float, 0.5, "than the base has."),
        ("heads", int, 8, "how many heads."),
        ("dim", int, 64, "width of the base."),
    ]
    assert [argument.name for argument in signature.bound] == ["latents"]
    problems = schema.validate(Child, {"mor": 1, "dim": "x"}, "", "child")[1]
    assert [problem.where for problem in problems] == ["mor", "dim"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"rate": 1}, 1.0),
        ({"depth": None}, None),
        ({"lr": 3}, 3.0),
        ({"lr": "auto"}, "auto"),
        ({"layers": ["full", "self"]}, ["full", "self"]),
        ({"grid": [2, 3]}, (2, 3)),
        ({"sizes": (1, 2)}, [1, 2]),
        ({"weights": {"a": 1}}, {"a": 1.0}),
        ({"root": "a/b"}, Path("a/b")),
        ({"dim": 1024}, 1024),
    ],
)
def test_right_values(options: dict[str, Any], expected: Any) -> None:
    (name,) = options
    value = clean(**options)[name]
    assert value == expected
    assert type(value) is type(expected)


def test_all_options_come_back_in_order_with_defaults() -> None:
    found = clean(mode="slow")
    assert list(found) == [option.name for option in schema.signature_of(Everything).options]
    assert (found["mode"], found["dim"], found["grid"]) == ("slow", 64, (4, 4))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": "12"}, "dim  should be a whole number, got '12'"),
        ({"dim": True}, "dim  should be a whole number, got true"),
        ({"dim": 8.0}, "dim  should be a whole number, got 8.0"),
        ({"dim": 0}, "dim  should be at least 8, got 0"),
        ({"dim": 2048}, "dim  should be at most 1024, got 2048"),
        ({"dim": 12}, "dim  should be a multiple of 8, got 12"),
        ({"depth": "abc"}, "depth  should be a whole number, got 'abc'"),
        ({"rate": "1e-4"}, "rate  should be a number, got '1e-4'"),
        ({"rate": False}, "rate  should be a number, got false"),
        ({"rate": math.nan}, "rate  should be a finite number, got NaN"),
        ({"flag": 1}, "flag  should be true or false, got 1"),
        ({"flag": "yes"}, "flag  should be true or false, got 'yes'"),
        ({"required": 3}, "required  should be text, got 3"),
        ({"required": None}, "required  should be text, got null"),
        ({"mode": "medium"}, "mode  should be 'fast' or 'slow', got 'medium'"),
        ({"lr": "auot"}, "lr  should be a number or 'auto', got 'auot'"),
        ({"layers": ["full", "slef"]}, "layers[1]  should be 'full' or 'self', got 'slef'"),
        ({"layers": "full"}, "layers  should be a list, got 'full'"),
        ({"layers": 3}, "layers  should be a list, got 3"),
        ({"grid": [1]}, "grid  should be a list of 2, got [1]"),
        ({"grid": []}, "grid  should be a list of 2, got []"),
        ({"grid": [1, 2, 3]}, "grid  should be a list of at most 2, got [1, 2, 3]"),
        ({"grid": ["a", 2]}, "grid[0]  should be a whole number, got 'a'"),
        ({"sizes": 7}, "sizes  should be a list, got 7"),
        ({"weights": {"a": "b"}}, "weights.a  should be a number, got 'b'"),
        ({"weights": [1]}, "weights  should be a mapping, got [1]"),
        ({"root": 3}, "root  should be a path, got 3"),
        ({"required": ["x" * 200]}, 'required  should be text, got ["' + "x" * 55 + "..."),
        ({"tokenizer": "vqgan"}, "tokenizer  should be a tokenizer, written as $name, got 'vqgan'"),
        ({"tokenizer": Stand(Metric)}, "tokenizer  should be a tokenizer, got a Metric"),
        ({"model": 3}, "model  should be something trainable, got 3"),
        ({"dataset": Table([])}, "dataset  should be a dataset, got a Table"),
        ({"data": Table([])}, "data  should be a split of a data set or tokens, got a Table"),
        ({"pictures": {"a": 1}}, "pictures.a  should be pictures, got 1"),
        ({"metrics": [Stand(Metric), Stand(Tokenizer)]}, "metrics[1]  should be a metric, got a Tokenizer"),
    ],
)
def test_wrong_values(options: dict[str, Any], message: str) -> None:
    assert check(**options) == [f"components.x.{message}"]


def test_references_pass_by_class_alone() -> None:
    table = Stand(Pictures)
    found = clean(tokenizer=Stand(Tokenizer), model=Stand(Tokenizer), data=Stand(Tokens), pictures={"a": table})
    assert found["pictures"]["a"] is table


def test_keys() -> None:
    assert check(dimm=3) == ["components.x.dimm  every has no option 'dimm'. Did you mean 'dim'?"]
    assert check(latents=3) == ["components.x.latents  every gets 'latents' from the step; it is no option"]
    found, problems = schema.validate(Everything, {"rate": "a", "flag": "b", "zzz": 1, "dim": 8}, "x", "every")
    assert sorted(p.where for p in problems) == ["x", "x.flag", "x.rate", "x.zzz"], "everything in one pass"
    assert "every needs the option 'required': has to be given" in {p.where: p.message for p in problems}["x"]
    assert found["dim"] == 8, "what is right comes back all the same"


Junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
NAMES = [option.name for option in schema.signature_of(Everything).options]


@given(st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), Junk, max_size=5))
def test_junk_is_refused_in_one_line_each(options: dict[str, Any]) -> None:
    found, problems = schema.validate(Everything, options, "x", "every")
    for problem in problems:
        assert problem.where.startswith("x")
        assert "pydantic" not in problem.message
        assert "\n" not in problem.message.replace("\\n", "")
    named = {problem.where.removeprefix("x.").split(".")[0].split("[")[0] for problem in problems}
    for key in options:
        assert key in found or key in named or any(p.where == f"x.{key}" for p in problems)
    again, more = schema.validate(Everything, {"required": "x", **found}, "x", "every")
    assert not more
    assert {name: again[name] for name in found} == found, "what was accepted is accepted as it came back"


def test_classes_that_cannot_be_read() -> None:
    class Star(Component):
        def __init__(self, *sizes: int) -> None: ...

    class Stars(Component):
        def __init__(self, **options: int) -> None: ...

    class Untyped(Component):
        def __init__(self, dim=3) -> None: ...  # type: ignore[no-untyped-def]

    class Unknown(Component):
        def __init__(self, dim: NotDefinedAnywhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    class WrongDefault(Component):
        def __init__(self, dim: int = "big") -> None: ...  # type: ignore[assignment]

    for cls, message in {
        Star: "'*sizes: ",
        Stars: "'**options: ",
        Untyped: "'dim' has no type",
        Unknown: "NotDefinedAnywhere",
    }.items():
        with pytest.raises(PluginError, match=message.replace("*", r"\*")) as caught:
            schema.signature_of(cls)
        assert cls.__name__ in caught.value.message
    with pytest.raises(PluginError, match="default of 'dim' should be a whole number, got 'big'"):
        schema.validate(WrongDefault, {}, "x", "wrong")


def test_json_schema() -> None:
    made = schema.json_schema(Everything)
    assert json.loads(json.dumps(made)) == made
    assert made["required"] == ["required"]
    assert made["additionalProperties"] is False
    assert made["properties"]["dim"] == {
        "type": "integer",
        "minimum": 8,
        "maximum": 1024,
        "multipleOf": 8,
        "default": 64,
        "description": "width of the whole.",
    }
    assert made["properties"]["mode"]["enum"] == ["fast", "slow"]
    assert made["properties"]["metrics"]["items"]["description"] == "reference to a metric"
    assert "latents" not in made["properties"]


def test_type_names() -> None:
    names = {o.name: schema.type_name(o.annotation) for o in schema.signature_of(Everything).options}
    assert names["dim"] == "int (>= 8, <= 1024, a multiple of 8)"
    assert names["mode"] == "'fast' | 'slow'"
    assert names["lr"] == "float | 'auto'"
    assert names["layers"] == "Sequence['full' | 'self']"
    assert names["grid"] == "tuple[int, int]"
    assert names["data"] == "StorySet | Tokens | None"


@pytest.mark.parametrize("entry", plugins.registry().entries(), ids=lambda entry: f"{entry.dist}:{entry.key}")
def test_everything_registered_can_be_read(entry: Any) -> None:
    cls = entry.load()
    assert cls.kind == entry.kind
    signature = schema.signature_of(cls)
    undocumented = [each.name for each in signature.options if not each.doc]
    assert not undocumented, f"{entry.target} does not say in Args: what these mean"
    required = {option.name for option in signature.options if option.required}
    _, problems = schema.validate(cls, {}, "", entry.name)
    assert len(problems) == len(required), "defaults fit their types"
    assert set(schema.json_schema(cls)["properties"]) == {option.name for option in signature.options}
