"""Who a caption speaks of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gst.cast import Cast, Character, Discourse

CAST = Cast(
    (
        Character("Ann", ("girl", "kids"), ("she", "her")),
        Character("Bob", ("boy", "kids"), ("he", "his")),
        Character("Ursa", ("bear", "polar bear"), ("it", "its")),
        Character("Rex", ("dog", "kid sis"), ("it",)),
    ),
    ignore=("hot dog",),
)


def told(*captions, mode="antecedent"):
    return [{CAST.names[i] for i in np.flatnonzero(row)} for row in CAST.resolve(captions, mode)]


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("Ann waves.", {"Ann"}),
        ("ANN'S hat and bob’s shoe", {"Ann", "Bob"}),
        ("two bears", {"Ursa"}),
        ("a polar bear", {"Ursa"}),
        ("Anna and the bearskin", set()),
        ("the kids eat a hot dog", {"Ann", "Bob"}),
        ("a dog eats hot dogs", {"Rex"}),
        ("she waves", set()),
        ("", set()),
        ("KıD SİS and kid ſis", {"Rex"}),
    ],
)
def test_names_and_aliases(caption, expected):
    assert {CAST.names[i] for i in np.flatnonzero(CAST.mentions(caption))} == expected


def test_pronouns_bind_to_the_latest_that_goes_by_them():
    assert told("Ann meets Bob.", "She waves.", "He runs.") == [{"Ann", "Bob"}, {"Ann"}, {"Bob"}]
    assert told("A bear and a dog.", "It barks.") == [{"Ursa", "Rex"}, {"Rex"}]
    assert told("Bob has a dog. It barks.") == [{"Bob", "Rex"}]
    assert told("He waves.", "Bob waves.") == [set(), {"Bob"}]


def test_groups_bind_to_this_caption_then_to_the_latest_with_two():
    assert told("Ann meets Bob.", "They wave.") == [{"Ann", "Bob"}] * 2
    assert told("Ann meets Bob.", "A dog comes.", "Both wave.") == [{"Ann", "Bob"}, {"Rex"}, {"Ann", "Bob"}]
    assert told("Ann meets Bob.", "Bob has a dog and they run.") == [{"Ann", "Bob"}, {"Bob", "Rex"}]
    assert told("Ann waves.", "Bob comes. They sing.") == [{"Ann"}, {"Ann", "Bob"}]
    assert told("Ann waves.", "They sing.") == [{"Ann"}, set()]
    assert told("They wave.") == [set()]


def test_mode_none_reads_no_pronoun():
    assert told("Ann waves.", "She waves.", mode="none") == [{"Ann"}, set()]
    with pytest.raises(ValueError, match="antecedent"):
        CAST.resolve(["x"], "nearest")  # type: ignore[arg-type]


def test_explain_says_what_stands_for_whom():
    first, second = CAST.explain(["The girl and Rex.", "It barks at her and him."])
    assert [(m.text, m.kind, m.characters) for m in first] == [("girl", "alias", ("Ann",)), ("Rex", "name", ("Rex",))]
    assert [(m.text, m.kind, m.characters) for m in second] == [
        ("It", "pronoun", ("Rex",)),
        ("her", "pronoun", ("Ann",)),
    ]


def test_index():
    assert CAST.index("boy") == CAST.index("BOB") == 1
    for word in ("kids", "nobody"):
        with pytest.raises(KeyError):
            CAST.index(word)


def test_shapes_without_captions_or_characters():
    assert CAST.resolve([], "none").shape == CAST.resolve([], "antecedent").shape == (0, 4)
    empty = Cast(())
    assert empty.resolve(["they wave"], "antecedent").shape == (1, 0)
    assert empty.explain(["they wave"]) == [[]]


@given(st.lists(st.text(alphabet="Annbobeardgsİıſhe'’ .,", max_size=30), max_size=4))
def test_any_text_is_read(captions):
    names, pronouns = CAST.resolve(captions, "none"), CAST.resolve(captions, "antecedent")
    assert names.shape == pronouns.shape == (len(captions), 4)
    assert not (names & ~pronouns).any()


def test_discourse_of_a_grammar_agrees_with_reading():
    talk = Discourse(CAST)
    talk.mention((0, 1))
    assert talk.refer("they") == (0, 1)
    talk.end_caption()
    talk.mention((3,))
    assert talk.refer("It") == (3,)
    assert talk.refer("she") == (0,)
    assert talk.refer("both") == (0, 1)
