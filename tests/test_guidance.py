from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import gst
from gst.batch import StoryBatch
from gst.cast import Cast, Character
from gst.condition import Condition, Text
from gst.conditioner import Conditioner
from gst.errors import UsageError
from gst.guidance import Guided
from gst.kinds import Guidance, MaskedPrior
from gst.latents import LatentSpec
from gst.plugins import registry

CAST = Cast([Character("Ann"), Character("Bob")])
CAPTIONS = [["Ann sings.", "Bob dances."], ["They sleep.", ""]]
REQUIRED: dict[str, dict[str, Any]] = {"negative-prompt": {"prompt": "a dark night"}}


class Echo(MaskedPrior):
    """Logits that say what the model was told: [text shown, sum of text ids, characters told, present characters]."""

    def __init__(self) -> None:
        super().__init__()
        self.latents = LatentSpec("ids", (1, 1), 4)
        self.passes: list[tuple[int, bool]] = []
        self.begun = 0

    def begin(self, condition: Condition) -> dict[str, Tensor]:
        self.begun += 1
        frames = condition.frame_mask.float()
        zero = torch.zeros_like(frames)
        text, who = condition.text, condition.characters
        return {
            "told": torch.stack(
                [
                    zero if text is None else zero + 1,
                    zero if text is None else text.data.sum(-1).float(),
                    zero if who is None else zero + 1,
                    zero if who is None else who.sum(-1).float(),
                ],
                -1,
            )
        }

    def predict(self, state: dict[str, Tensor], x: Tensor, t: float) -> tuple[Tensor, dict[str, Tensor]]:
        told = state["told"]
        self.passes.append((len(told), bool(told[..., 0].any())))
        return told[:, :, None, None] + x[..., None], state

    def loss(self, batch: StoryBatch, phase: str, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        raise NotImplementedError


@pytest.fixture
def echo() -> Echo:
    text = gst.build("text", "bpe", vocab_size=300, length=8)
    text.fit([c for story in CAPTIONS for c in story])
    prior = Echo()
    prior.conditioner = Conditioner(text, CAST, resolve="none")
    return prior


@pytest.fixture
def condition(echo: Echo) -> Condition:
    return echo.conditioner(["s0", "s1"], CAPTIONS, torch.tensor([[True, True], [True, False]]))


def every() -> list[str]:
    return [entry.name for entry in registry().entries("guidance")]


def build(name: str, **options: Any) -> Guidance:
    return gst.build("guidance", name, **REQUIRED.get(name, {}), **options)


def predict(prior: Echo, guidance: Guidance | None, condition: Condition) -> Tensor:
    x = torch.arange(4).view(2, 2, 1, 1)
    return Guided(prior, guidance, condition).predict(x, 1.0, 0.0)


@pytest.mark.parametrize("name", every())
@pytest.mark.parametrize("progress", [0.0, 0.3, 1.0])
def test_weights_sum_to_one(name: str, progress: float, echo: Echo, condition: Condition) -> None:
    guidance = build(name)
    branches = guidance.branches(guidance.prepare(condition, echo.conditioner), progress)
    assert sum(branch.weight for branch in branches) == pytest.approx(1)
    assert len({branch.name for branch in branches}) == len(branches)


@pytest.mark.parametrize("name", [n for n in every() if n != "none"])
def test_scale_zero_is_no_guidance_and_costs_nothing(name: str, echo: Echo, condition: Condition) -> None:
    plain = predict(echo, None, condition)
    passes = len(echo.passes)
    assert torch.equal(predict(echo, build(name, scale=0.0), condition), plain)
    assert len(echo.passes) == passes + 1


def test_none_is_the_condition(echo: Echo, condition: Condition) -> None:
    assert torch.equal(predict(echo, build("none"), condition), predict(echo, None, condition))


def parts(echo: Echo, condition: Condition) -> dict[str, Tensor]:
    """l_text, l_char, l_notchar and l_null, each predicted on its own."""
    told = {
        "text": condition,
        "char": condition.without_text(),
        "notchar": condition.without_text().flip_characters(),
        "null": condition.null(),
    }
    return {name: predict(echo, None, c) for name, c in told.items()}


@pytest.mark.parametrize(
    ("name", "options", "weights"),
    [
        ("cfg", {"scale": 3.0}, {"text": 4.0, "char": -3.0}),
        ("cfg", {"scale": 3.0, "drop": "all"}, {"text": 4.0, "null": -3.0}),
        ("character", {"scale": 0.2, "mode": "plus"}, {"text": 0.8, "char": 0.2}),
        ("character", {"scale": 0.2, "mode": "minus"}, {"text": 1.2, "notchar": -0.2}),
        ("character", {"scale": 0.4, "mode": "plus-minus"}, {"text": 0.6, "char": 0.8, "notchar": -0.4}),
    ],
)
def test_formulas(
    name: str, options: dict[str, Any], weights: dict[str, float], echo: Echo, condition: Condition
) -> None:
    apart = parts(echo, condition)
    expected = sum(weight * apart[branch] for branch, weight in weights.items())
    torch.testing.assert_close(predict(echo, build(name, **options), condition), expected)


def test_what_each_needs_of_the_prior() -> None:
    needs = {name: (tuple(build(name).needs), build(name).needs_characters) for name in every()}
    assert needs["none"] == ((), False)
    assert needs["cfg"] == (("text",), False)
    assert needs["negative-prompt"] == ((), False)
    assert needs["character"] == (("text",), True)
    assert tuple(build("cfg", drop="all").needs) == ("all",)


def test_three_branches_run_in_two_passes_and_begin_once(echo: Echo, condition: Condition) -> None:
    guided = Guided(echo, build("character"), condition)
    for step in range(3):
        guided.predict(torch.zeros(2, 2, 1, 1), 1.0, step / 2)
    assert echo.passes == [(2, True), (4, False)] * 3  # the branches without text carry no text rows
    assert echo.begun == 2


def test_negative_prompt_takes_the_captions_place(echo: Echo, condition: Condition) -> None:
    negative = echo.conditioner.text.encode([["a dark night"] * 2] * 2)
    other = Condition(condition.ids, condition.frame_mask, text=negative, characters=condition.characters)
    expected = 2.5 * predict(echo, None, condition) - 1.5 * predict(echo, None, other)
    passes = len(echo.passes)
    guidance = gst.build("guidance", "negative-prompt", prompt="a dark night", scale=1.5)
    torch.testing.assert_close(predict(echo, guidance, condition), expected)
    assert echo.passes[passes:] == [(4, True)]  # one shape, one pass


def test_negative_prompt_needs_a_prior_with_captions(echo: Echo, condition: Condition) -> None:
    guidance = build("negative-prompt")
    with pytest.raises(UsageError, match="captions"):
        Guided(echo, guidance, condition.without_text())
    echo.conditioner = None
    with pytest.raises(UsageError, match="captions"):
        Guided(echo, guidance, condition)


def test_character_guidance_needs_characters(echo: Echo, condition: Condition) -> None:
    with pytest.raises(UsageError, match="characters"):
        predict(echo, build("character"), condition.without_characters())


def test_texts_travel_with_a_condition(condition: Condition) -> None:
    text = Text(torch.ones(2, 2, 8, dtype=torch.int64), torch.ones(2, 2, 8, dtype=torch.bool))
    with_text = Condition(condition.ids, condition.frame_mask, texts={"negative": text})
    stacked = Condition.stack([with_text, with_text]).to("cpu")
    assert stacked.texts["negative"].data.shape == (4, 2, 8)
