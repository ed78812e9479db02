"""What several metrics read of pictures in the same way."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from gst.batch import StoryBatch
from gst.errors import DataError
from gst.kinds import Scorer
from gst.signatures import describe, weights_hash


def answers(classifier: Scorer, frames: Tensor, question: str) -> Tensor:
    """What the classifier says to one question, (B, T, ...). Raises `DataError` where it was not trained on that."""
    scores = classifier.read(frames)
    if question not in scores:
        raise DataError(
            f"the classifier was not trained to tell the {question} (it tells: {', '.join(scores)})",
            hint=f"Train it with {question}s: the number of them in the data set."
            if question in ("place", "position")
            else None,
        )
    return scores[question]


def drawn_characters(classifier: Scorer, frames: Tensor) -> Tensor:
    """bool (B, T, C): whom the classifier sees, at probability one half."""
    return answers(classifier, frames, "characters") > 0


def truth_of(batch: StoryBatch, characters: int) -> Tensor:
    """bool (B, T, C): who should be there. Raises `DataError` without labels, or with labels of another cast."""
    if batch.characters is None:
        raise DataError("this metric needs a data set with character labels; this one has none")
    if batch.characters.shape[2] != characters:
        raise DataError(f"the classifier knows {characters} characters, the data set has {batch.characters.shape[2]}")
    return batch.characters


def extra_of(batch: StoryBatch, name: str) -> Tensor:
    """A truth of the data set beyond characters. Raises `DataError` where it tells none."""
    if name not in batch.extras:
        there = ", ".join(sorted(batch.extras)) or "none"
        raise DataError(f"this metric needs a data set that tells the {name} of each frame (extras here: {there})")
    return batch.extras[name]


def about_scorer(scorer: Scorer) -> dict[str, Any]:
    """For signatures: which network, with which weights, and how frames come to its size."""
    return {"extractor": describe(scorer), "weights": weights_hash(scorer), "resize": scorer.resize}
