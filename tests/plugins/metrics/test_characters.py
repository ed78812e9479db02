"""Char-F1, Char-Acc, place and position accuracy against scikit-learn and plain loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, classification_report, f1_score

from gst.batch import collate
from gst.errors import DataError
from gst_metrics.char_acc import CharAcc
from gst_metrics.char_f1 import CharF1
from gst_metrics.place_acc import PlaceAcc
from gst_metrics.position_acc import PositionAcc


@pytest.fixture
def stories(world):
    return world.stories(23)


@pytest.fixture
def drawn(world, stories):
    return [world.drawn(story, 0.3) for story in stories]


def read(frames):
    """What the pixels say, over all frames: characters, place, position."""
    frames = np.concatenate(frames)
    return frames[:, 0, 0, :4] > 127, frames[:, 0, 1, :3].argmax(1), frames[:, 0, 2:6, :3].argmax(2) - 1


def truth(stories, name=None):
    return np.concatenate([story.characters if name is None else story.extras[name] for story in stories])


def test_char_f1_is_the_micro_average_of_scikit_learn(scorer, stories, drawn, feed):
    numbers = feed(CharF1(classifier=scorer), stories, drawn).compute()
    report = classification_report(truth(stories), read(drawn)[0], output_dict=True, zero_division=0)
    assert numbers["char-f1"] == pytest.approx(100 * report["micro avg"]["f1-score"])
    assert numbers["char-f1/precision"] == pytest.approx(100 * report["micro avg"]["precision"])
    assert numbers["char-f1/recall"] == pytest.approx(100 * report["micro avg"]["recall"])
    for i, name in enumerate(scorer.cast.names):
        assert numbers[f"char-f1/{name}"] == pytest.approx(100 * report[str(i)]["f1-score"])


def test_char_acc_is_exact_match(scorer, stories, drawn, feed):
    numbers = feed(CharAcc(classifier=scorer), stories, drawn).compute()
    assert numbers["char-acc"] == pytest.approx(100 * accuracy_score(truth(stories), read(drawn)[0]))


def test_place_and_position(scorer, stories, drawn, feed):
    place, position = truth(stories, "place"), truth(stories, "position")
    right = read(drawn)[2] == position
    numbers = feed(PositionAcc(classifier=scorer), stories, drawn).compute()
    assert numbers["position-acc"] == pytest.approx(100 * right[truth(stories)].mean())
    numbers = feed(PlaceAcc(classifier=scorer), stories, drawn).compute()
    assert numbers["place-acc"] == pytest.approx(100 * (read(drawn)[1] == place).mean())


def test_only_some_frames(scorer, stories, drawn, feed):
    told, pronouns = truth(stories, "place_told"), truth(stories, "pronoun_only").any(1)
    first = np.concatenate([np.arange(len(story)) == 0 for story in stories])
    seen, meant = read(drawn)[0], truth(stories)
    for only, chosen in {"pronoun_only": pronouns, "not pronoun_only": ~pronouns, "first-frame": first}.items():
        name = f"char-f1[{only}]"
        numbers = feed(CharF1(classifier=scorer, only=only), stories, drawn).compute()
        assert set(numbers) == {name, f"{name}/precision", f"{name}/recall"}
        assert numbers[name] == pytest.approx(100 * f1_score(meant[chosen], seen[chosen], average="micro"))
        exact = feed(CharAcc(classifier=scorer, only=only), stories, drawn).compute()[f"char-acc[{only}]"]
        assert exact == pytest.approx(100 * accuracy_score(meant[chosen], seen[chosen]))
    numbers = feed(PlaceAcc(classifier=scorer, only="not place_told"), stories, drawn).compute()
    right = read(drawn)[1] == truth(stories, "place")
    assert numbers["place-acc[not place_told]"] == pytest.approx(100 * right[~told].mean())


def first_named(story, cast):
    """(T, C), by a plain loop over words."""
    chosen, before = np.zeros((len(story), len(cast)), bool), set()
    for t, caption in enumerate(story.captions):
        for c, name in enumerate(cast.names):
            if name in caption.split() and name not in before:
                chosen[t, c] = True
                before.add(name)
    return chosen


def test_only_some_characters_of_some_frames(scorer, stories, drawn, feed):
    new = np.concatenate([first_named(story, scorer.cast) for story in stories])
    seen, meant = read(drawn)[0], truth(stories)
    for cells, chosen in {
        "new": new,
        "not new": ~new,
        "pronoun_only": truth(stories, "pronoun_only"),
    }.items():
        numbers = feed(CharF1(classifier=scorer, cells=cells), stories, drawn).compute()
        expected = f1_score(meant[chosen], seen[chosen])
        assert numbers[f"char-f1[cells:{cells}]"] == pytest.approx(100 * expected)
    numbers = feed(PositionAcc(classifier=scorer, cells="new", only="first-frame"), stories, drawn).compute()
    first = np.concatenate([np.arange(len(story)) == 0 for story in stories])
    chosen = new & meant & first[:, None]
    right = read(drawn)[2] == truth(stories, "position")
    assert numbers["position-acc[first-frame, cells:new]"] == pytest.approx(100 * right[chosen].mean())


METRICS = [CharF1, CharAcc, PlaceAcc, PositionAcc]


@pytest.mark.parametrize("metric", METRICS)
def test_perfect_is_best_and_worse_is_worse(metric, scorer, stories, world, feed):
    values = []
    for error in (0.0, 0.1, 0.5):
        frames = [world.drawn(story, error) for story in stories]
        made = metric(classifier=scorer)
        numbers = feed(made, stories, frames).compute()
        assert set(numbers) <= set(made.directions)
        values.append(numbers[made.name])
    assert values[0] == 100.0
    assert values[0] > values[1] > values[2]


@pytest.mark.parametrize("metric", METRICS)
def test_batches_order_and_padding_change_nothing(metric, scorer, stories, drawn, feed):
    numbers = feed(metric(classifier=scorer), stories, drawn, size=3).compute()
    assert feed(metric(classifier=scorer), stories, drawn, size=1).compute() == numbers
    assert feed(metric(classifier=scorer), stories, drawn, size=7, length=9).compute() == numbers
    order = np.random.default_rng(1).permutation(len(stories))
    shuffled = feed(metric(classifier=scorer), [stories[i] for i in order], [drawn[i] for i in order])
    assert shuffled.compute() == numbers


@pytest.mark.parametrize("metric", METRICS)
def test_rows_are_stories(metric, scorer, stories, drawn, feed):
    rows = np.array([4, 4, 4, 0, 11])
    picked = feed(metric(classifier=scorer), [stories[i] for i in rows], [drawn[i] for i in rows])
    assert feed(metric(classifier=scorer), stories, drawn).compute(rows) == picked.compute()


@pytest.mark.parametrize("metric", METRICS)
def test_reset_forgets_and_leaves_copies_alone(metric, scorer, stories, drawn, feed):
    import copy

    first = feed(metric(classifier=scorer), stories, drawn)
    before = first.compute()
    second = copy.copy(first)
    second.reset()
    feed(second, stories[:2], drawn[:2])
    assert first.compute() == before != second.compute()


def test_a_signature_tells_settings_and_weights_apart(new_scorer):
    signatures = [
        metric.signature()
        for metric in (
            CharF1(classifier=new_scorer()),
            CharF1(classifier=new_scorer(2.0)),
            CharF1(classifier=new_scorer(), only="first-frame"),
            CharF1(classifier=new_scorer(), cells="new"),
            CharAcc(classifier=new_scorer()),
            CharAcc(classifier=new_scorer(), only="first-frame"),
        )
    ]
    assert all(a != b for i, a in enumerate(signatures) for b in signatures[:i])
    assert CharF1(classifier=new_scorer()).signature() == signatures[0]


def test_numbers_that_are_not_defined_are_left_out(scorer, stories, drawn, feed):
    nobody = [np.where(np.arange(16)[None, None, :, None] < 1, 0, frames).astype(np.uint8) for frames in drawn]
    numbers = feed(CharF1(classifier=scorer), stories, nobody).compute()
    assert numbers["char-f1"] == 0.0
    assert "char-f1/precision" not in numbers


def test_what_the_data_does_not_tell(scorer, stories, drawn, feed):
    with pytest.raises(DataError, match=r"no truth value 'told'(.|\n)*new, place_told, pronoun_only"):
        feed(CharF1(classifier=scorer, only="told"), stories, drawn)
    with pytest.raises(DataError, match="not told of each character"):
        feed(CharF1(classifier=scorer, cells="place_told"), stories, drawn)
    with pytest.raises(DataError, match="no truth value 'place'"):  # it is a number
        feed(CharAcc(classifier=scorer, only="place"), stories, drawn)
    batch = collate(stories[:1])
    batch.characters = None
    with pytest.raises(DataError, match="labels"):
        CharAcc(classifier=scorer).update(batch, torch.zeros_like(batch.frames))
    del batch.extras["place"]
    with pytest.raises(DataError, match="place"):
        PlaceAcc(classifier=scorer).update(batch, torch.zeros_like(batch.frames))
    with pytest.raises(DataError, match="no story"):
        CharF1(classifier=scorer).compute()


def test_several_metrics_cost_one_pass_of_the_scorer(scorer, stories):
    batch = collate(stories)
    for metric in (CharF1, CharAcc, PlaceAcc, PositionAcc):
        metric(classifier=scorer).update(batch, batch.frames)
    assert scorer.calls == 1
    CharF1(classifier=scorer).update(batch, batch.frames.clone())
    assert scorer.calls == 2
