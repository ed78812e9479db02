"""Nearest captions against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from gst_metrics.tfidf import NearestCaption

WORDS = [
    "pim",
    "the",
    "blue",
    "penguin",
    "sings",
    "and",
    "hops",
    "on",
    "a",
    "ball",
    "at",
    "sea",
    "i",
    "x",
    "Pim's",
    "Owl",
]


@pytest.fixture
def captions():
    random = np.random.default_rng(0)
    return [" ".join(random.choice(WORDS, random.integers(1, 12))) + "." for _ in range(60)]


def test_cosines_are_those_of_scikit_learn(captions):
    known, asked = captions[:45], [*captions[45:], "the dragon sings", "", "dragon x"]
    vectorizer = TfidfVectorizer()
    vectors = vectorizer.fit_transform(known)
    expected = (vectorizer.transform(asked) @ vectors.T).toarray()
    nearest = NearestCaption(known)
    found = np.stack([nearest.likeness(caption) for caption in asked])
    assert found == pytest.approx(expected)
    for caption, row in zip(asked, expected, strict=True):
        assert row[nearest.find(caption)] == pytest.approx(row.max())


def test_a_known_caption_finds_itself_and_the_first_of_equals(captions):
    known = ["the owl sings", "the owl hops", "the owl sings"]
    nearest = NearestCaption(known)
    assert [nearest.find(caption) for caption in known] == [0, 1, 0]
    assert nearest.find("nothing known") == 0
