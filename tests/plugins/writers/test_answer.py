"""What a language model may answer, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gst.cast import Cast, Character
from gst_writers.answer import BadAnswer, read_answer
from gst_writers.prompt import messages

CAST = Cast(
    (
        Character("Bobo", ("bear",), ("he",), "a round bear"),
        Character("Pim", ("girl",), ("she",)),
        Character("Krix", (), ("it",), "a robot"),
    )
)
CAPTIONS = ("Bobo waves.", "He sees Pim.")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1. Bobo waves a hand.\n2. Bobo looks at Pim.", ("Bobo waves a hand.", "Bobo looks at Pim.")),
        ("Sure! Here they are:\n\n 1) Bobo waves.\n\n 2) He meets Pim.\n", ("Bobo waves.", "He meets Pim.")),
        ('1: "Bobo waves."\n2: “The bear meets Pim.”', ("Bobo waves.", "The bear meets Pim.")),
    ],
)
def test_numbered_lines_are_read(text: str, found: tuple[str, ...]) -> None:
    assert read_answer(text, CAPTIONS, CAST, 10) == found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "there are 0 numbered lines, and there must be 2"),
        ("1. Bobo waves.", "there are 1 numbered lines"),
        ("1. Bobo waves.\n2. He sees Pim.\n3. Bobo goes.", "there are 3 numbered lines"),
        ("1. Bobo waves.\n1. He sees Pim.", "line 2 has the number 1"),
        ("2. Bobo waves.\n1. He sees Pim.", "line 1 has the number 2"),
        ("1. Bobo waves.\n2. He sees Pim.\nI hope this helps!", "a line without a number: 'I hope this helps!'"),
        ("1. Bobo waves.\n2. ", "line 2 is no sentence"),
        ("1. Bobo waves.\n2. He sees\x07 Pim.", "line 2 is no sentence"),
        (f"1. Bobo waves{' and waves' * 5}.\n2. He sees Pim.", "line 1 has 12 words, and 10 are the most"),
        ("1. The round one waves.\n2. He sees Pim.", "line 1 must name Bobo"),
        ("1. Bobo waves.\n2. He sees somebody.", "line 2 must name Pim"),
        ("1. Bobo waves.\n2. She is Pim.", "line 2 must name Bobo"),
        ("1. Bobo waves at Krix.\n2. He sees Pim.", "line 1 must not speak of Krix"),
        ("1. Bobo and Pim wave.\n2. He sees Pim.", "line 1 must not speak of Pim"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(text: str, why: str) -> None:
    with pytest.raises(BadAnswer) as caught:
        read_answer(text, CAPTIONS, CAST, 10)
    assert why in str(caught.value)


@given(st.text())
def test_any_answer_is_read_or_refused(text: str) -> None:
    try:
        found = read_answer(text, CAPTIONS, CAST, 10)
    except BadAnswer:
        return
    assert len(found) == len(CAPTIONS)


def test_the_request_has_the_cast_and_numbered_captions() -> None:
    role, asked = messages(CAPTIONS, CAST, None)
    assert role["role"] == "system"
    assert "The characters: Bobo or bear is a round bear. Pim or girl. Krix is a robot." in role["content"]
    assert "exactly 2 numbered lines" in role["content"]
    assert asked == {"role": "user", "content": "1. Bobo waves.\n2. He sees Pim."}
    assert messages(CAPTIONS, Cast(()), "Say it anew.")[0]["content"].splitlines()[0] == "Say it anew."
    assert "characters" not in messages(CAPTIONS, Cast(()), "Say it anew.")[0]["content"]
