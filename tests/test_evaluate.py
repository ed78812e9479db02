"""The step `evaluate`: sources, floors, ceilings, intervals, signatures, and pictures that do not belong."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gst.artifacts import Pictures, Table
from gst.batch import StoryBatch
from gst.cast import Cast, Character
from gst.errors import DataError
from gst.evaluation.bootstrap import intervals
from gst.evaluation.shuffle import frames_for, other_stories
from gst.kinds import Dataset, Metric, StorySet
from gst.steps.evaluate import Evaluate
from gst.story import Story


class Greys(Dataset):
    """Stories of grey frames: frame t of story i has the value 10 i + t. Lengths differ."""

    use = "greys"
    cast = Cast([Character("Ann")])
    frame_size = (4, 4)
    frames_per_story = 3
    extras: dict[str, str] = {}  # noqa: RUF012
    splits = ("train", "test")

    def __init__(self, count: int = 7, tag: str = "a") -> None:
        self.count, self.tag = count, tag

    def split(self, name: str) -> GreySplit:
        return GreySplit(self, name)

    def fingerprint(self) -> str:
        return f"{self.tag}{self.count}"


class GreySplit(StorySet):
    def __init__(self, dataset: Greys, name: str) -> None:
        self.dataset, self.name = dataset, name
        self.read: list[int] = []

    def __len__(self) -> int:
        return self.dataset.count

    def story(self, index: int) -> Story:
        self.read.append(index)
        length = 1 + index % 3
        frames = np.broadcast_to((10 * index + np.arange(length))[:, None, None, None], (length, 3, 4, 4))
        return Story(f"{self.name}{index}", self.captions(index), frames.astype(np.uint8), np.ones((length, 1), bool))

    def captions(self, index: int) -> tuple[str, ...]:
        return ("Ann",) * (1 + index % 3)

    def fingerprint(self) -> str:
        return f"{self.dataset.fingerprint()}-{self.name}"


class Brightness(Metric):
    """Mean value of frames, and its distance to that of the real ones, story by story."""

    def __init__(self, name: str = "bright", floor: Any = "shuffled", ceiling: bool = True) -> None:
        self.name, self.floor, self.ceiling = name, floor, ceiling
        self.directions = {name: None, f"{name}/error": "down"}
        self.widest = 0
        self.reset()

    def reset(self) -> None:
        self.rows: list[tuple[float, float]] = []

    def update(self, batch: StoryBatch, frames: Tensor) -> None:
        assert batch.frames is not None
        assert frames.shape == batch.frames.shape
        for mask, drawn, real in zip(batch.frame_mask, frames, batch.frames, strict=True):
            values = [float(((x[mask] + 1) * 127.5).mean()) for x in (drawn, real)]
            self.rows.append((values[0], abs(values[0] - values[1])))

    def compute(self, rows: Sequence[int] | None = None) -> dict[str, float]:
        table = np.array(self.rows)[slice(None) if rows is None else np.asarray(rows)]
        return dict(zip(self.directions, table.mean(0).tolist(), strict=True))

    def signature(self) -> dict[str, Any]:
        return {"metric": self.name}


@pytest.fixture
def data() -> GreySplit:
    return Greys().split("test")


def draw(data: GreySplit, brighter: int, count: int | None = None, **about: Any) -> Pictures:
    """Pictures that are brighter than the real frames by a constant; black at padding."""
    stories = [data.story(i) for i in range(len(data) if count is None else count)]
    frames = np.zeros((len(stories), 3, 3, 4, 4), np.uint8)
    for i, story in enumerate(stories):
        frames[i, : len(story)] = story.frames + brighter
    return Pictures([s.id for s in stories], [list(s.captions) for s in stories], frames, data.fingerprint(), about)


def evaluate(data: GreySplit, context: Any, **options: Any) -> Table:
    options = {"metrics": [Brightness()], "bootstrap": 50, "batch_size": 3, **options}
    table: Table = Evaluate(data=data, **options).run(context)["table"]
    return table


def row(table: Table, metric: str, of: str) -> dict[str, Any]:
    (found,) = [r for r in table.rows if (r["metric"], r["of"]) == (metric, of)]
    return found


def test_every_number_of_every_source_with_floor_ceiling_and_way(data, step_context):
    pictures = {"model": draw(data, 6, seed=3), "rebuilt": draw(data, 2), "unigram": draw(data, 30)}
    metrics = [Brightness(), Brightness("spread", floor="unigram"), Brightness("plain", floor=None, ceiling=False)]
    table = evaluate(
        data, step_context(), pictures=pictures, metrics=metrics, ceiling="rebuilt", floor_unigram="unigram"
    )
    assert len(table.rows) == 2 * 5 + 2 * 4 + 2 * 4  # the shuffled frames only where they are a floor
    others = other_stories(7, 0)
    shuffled = [
        abs(np.mean(frames_for(data.story(i), data.story(others[i]))) - data.story(i).frames.mean()) for i in range(7)
    ]
    model = row(table, "bright/error", "model")
    assert model["value"] == pytest.approx(6, abs=1e-4)
    assert model["ceiling"] == pytest.approx(2, abs=1e-4)
    assert (
        model["floor"] == pytest.approx(np.mean(shuffled), abs=1e-4) == row(table, "bright/error", "shuffled")["value"]
    )
    assert model["way"] == pytest.approx((6 - model["floor"]) / (2 - model["floor"]))
    assert model["direction"] == "down"
    assert row(table, "bright", "model")["direction"] is None
    assert row(table, "bright/error", "real")["value"] == 0
    assert row(table, "bright/error", "rebuilt")["way"] == pytest.approx(1)
    spread = row(table, "spread/error", "model")
    assert (spread["floor"], spread["ceiling"]) == pytest.approx((30, 2), abs=1e-4)
    assert spread["way"] == pytest.approx(24 / 28, abs=1e-5)
    assert row(table, "spread", "model")["way"] is None  # it has no direction
    plain = row(table, "plain/error", "model")
    assert (plain["floor"], plain["ceiling"], plain["way"]) == (None, None, None)


def test_no_way_where_the_ceiling_is_no_better_than_the_floor(data, step_context):
    pictures = {"model": draw(data, 6), "rebuilt": draw(data, 40), "unigram": draw(data, 30)}
    metrics = [Brightness(floor="unigram")]
    table = evaluate(
        data, step_context(), pictures=pictures, metrics=metrics, ceiling="rebuilt", floor_unigram="unigram"
    )
    assert row(table, "bright/error", "model")["way"] is None
    assert row(table, "bright/error", "model")["ceiling"] == pytest.approx(40, abs=1e-4)


def test_signatures_tell_how_pictures_were_made_and_what_was_counted(data, step_context):
    pictures = {"model": draw(data, 6, 5, seed=3, characters_from="labels (oracle)"), "other": draw(data, 6, 5)}
    table = evaluate(data, step_context(), pictures=pictures)
    signature = row(table, "bright", "model")["signature"]
    assert signature["metric"] == "bright"
    assert signature["pictures"] == {"name": "model", "seed": 3, "characters_from": "labels (oracle)"}
    assert (signature["stories"], signature["frames"]) == (5, 9)
    assert signature["data_hash"] == data.fingerprint()
    assert "50 resamples" in signature["interval"]
    assert row(table, "bright", "real")["signature"]["pictures"] == "the real frames"
    json.dumps(table.rows, allow_nan=False)


def test_table_survives_the_store(data, step_context, tmp_path):
    table = evaluate(data, step_context(), pictures={"model": draw(data, 6)})
    table.save(tmp_path)
    assert Table.load(tmp_path).rows == table.rows


def test_numbers_and_intervals_do_not_depend_on_chunks_seed_or_a_second_time(data, step_context):
    pictures = {"model": draw(data, 6)}
    first = evaluate(data, step_context(), pictures=pictures).rows
    assert evaluate(data, step_context(), pictures=pictures).rows == first
    assert evaluate(data, step_context(), pictures=pictures, batch_size=1).rows == first
    assert evaluate(data, step_context(seed=8), pictures=pictures).rows == first


def test_the_metrics_themselves_stay_untouched(data, step_context):
    metric = Brightness()
    evaluate(data, step_context(), pictures={"model": draw(data, 6)}, metrics=[metric])
    assert metric.rows == []


def test_logs_the_numbers_of_the_first_pictures(data, step_context):
    context = step_context("scores")
    evaluate(data, context, pictures={"model": draw(data, 6), "other": draw(data, 1)})
    lines = [json.loads(line) for line in (context.run_dir / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["scalars"]["bright/error"] == pytest.approx(6, abs=1e-4)


def test_no_intervals(data, step_context):
    table = evaluate(data, step_context(), pictures={"model": draw(data, 6)}, bootstrap=0)
    assert row(table, "bright", "model")["low"] is None
    assert row(table, "bright", "model")["signature"]["interval"] is None


def test_a_metric_may_ask_for_fewer_resamples(data, step_context):
    metric = Brightness()
    metric.bootstrap = 20
    table = evaluate(data, step_context(), pictures={"model": draw(data, 6)}, metrics=[metric])
    assert "20 resamples" in row(table, "bright", "model")["signature"]["interval"]


def test_one_story_has_no_other(data, step_context):
    table = evaluate(data, step_context(), pictures={"model": draw(data, 6, 1)})
    assert {r["of"] for r in table.rows} == {"model", "real"}
    assert row(table, "bright", "model")["floor"] is None


def test_pictures_that_do_not_belong(data, step_context):
    def refused(match: str, **pictures: Pictures) -> None:
        with pytest.raises(DataError, match=match):
            evaluate(data, step_context(), pictures=pictures)

    refused("'model' were made for another split", model=draw(Greys(tag="b").split("test"), 1))
    refused("'model' were made for another split", model=draw(Greys().split("train"), 1))
    refused("'b' are of 3 stories, 'a' of 5", a=draw(data, 1, 5), b=draw(data, 1, 3))
    swapped = draw(data, 1)
    swapped.ids[2:4] = swapped.ids[3], swapped.ids[2]
    refused("'model' show story 'test3' where the split has 'test2'", model=swapped)
    small = draw(data, 1)
    small.frames = small.frames[..., :2, :2]
    refused(r"'model' have \(2, 2\) pixels", model=small)
    none = draw(data, 1, 0)
    refused("0 stories", model=none)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"pictures": {}}, "nothing to measure"),
        ({"metrics": []}, "nothing to measure"),
        ({"ceiling": "rebuilt"}, "ceiling: there are no pictures 'rebuilt'; there are model"),
        ({"floor_unigram": "unigram"}, "floor_unigram: there are no pictures 'unigram'"),
        ({"bootstrap": -1}, "bootstrap"),
        ({"metrics": [Brightness(), Brightness()]}, "two metrics both give 'bright'"),
    ],
)
def test_wrong_options(data, options, match):
    with pytest.raises(ValueError, match=match):
        Evaluate(**{"data": data, "pictures": {"model": draw(data, 1)}, "metrics": [Brightness()], **options})


def test_names_of_the_data_itself_are_taken(data):
    with pytest.raises(ValueError, match="the name 'real' is taken"):
        Evaluate(data=data, pictures={"real": draw(data, 1)}, metrics=[Brightness()])


def test_reads_stories_in_chunks(data):
    """Nothing but the rows grows with the number of stories: no chunk sees more than `batch_size` of them."""

    class Widest(Brightness):
        seen: list[int] = []  # noqa: RUF012

        def update(self, batch: StoryBatch, frames: Tensor) -> None:
            self.seen.append(len(batch.ids))
            super().update(batch, frames)

    from gst.evaluation.collect import collect

    done: list[int] = []
    collect(
        data,
        {"model": draw(data, 1)},
        [Widest(floor=None)],
        total=7,
        batch_size=3,
        seed=0,
        device=torch.device("cpu"),
        advance=done.append,
    )
    assert done == [3, 3, 1]
    assert Widest.seen == [3, 3, 3, 3, 1, 1]


def test_probe_measures_a_few_stories(data, step_context):
    metric = Brightness()
    step = Evaluate(data=data, pictures={"model": draw(data, 6, 2)}, metrics=[metric])
    estimate = step.probe(step_context())
    assert estimate.seconds is not None
    assert estimate.seconds > 0
    assert metric.rows == []


@pytest.mark.parametrize("count", [2, 3, 10, 101])
def test_everybody_gets_the_frames_of_somebody_else(count):
    others = other_stories(count, seed=0)
    assert sorted(others) == list(range(count))
    assert all(i != other for i, other in enumerate(others))
    assert others == other_stories(count, seed=0)
    assert count == 2 or others != other_stories(count, seed=1) or others != other_stories(count, seed=2)


def test_a_shorter_story_starts_again():
    frames = np.arange(2, dtype=np.uint8)[:, None, None, None] * np.ones((2, 3, 1, 1), np.uint8)
    long, short = Story("l", ("",) * 5, np.zeros((5, 3, 1, 1), np.uint8)), Story("s", ("",) * 2, frames)
    assert frames_for(long, short)[:, 0, 0, 0].tolist() == [0, 1, 0, 1, 0]


class Mean(Metric):
    """Mean of numbers that stand for stories."""

    directions = {"mean": "up"}  # noqa: RUF012

    def __init__(self, numbers: Any) -> None:
        self.numbers = np.asarray(numbers)

    def reset(self) -> None: ...

    def update(self, batch: StoryBatch, frames: Tensor) -> None: ...

    def compute(self, rows: Any = None) -> dict[str, float]:
        return {"mean": float((self.numbers if rows is None else self.numbers[rows]).mean())}

    def signature(self) -> dict[str, Any]:
        return {}


def test_intervals_cover_the_truth_as_often_as_they_say():
    random = np.random.default_rng(0)
    hits = 0
    for trial in range(300):
        low, high = intervals(Mean(random.exponential(1.0, 80)), 80, 200, seed=trial)["mean"]
        hits += low <= 1.0 <= high
    # 95 % nominal; percentile intervals of 80 skewed numbers cover a little less. Three standard errors: 4 %.
    assert 0.89 < hits / 300 < 0.985


def test_intervals_are_as_wide_as_theory_says():
    numbers = np.random.default_rng(1).normal(5.0, 2.0, 400)
    low, high = intervals(Mean(numbers), 400, 2000, seed=0)["mean"]
    assert high - low == pytest.approx(2 * 1.96 * numbers.std() / 20, rel=0.08)
    assert (low + high) / 2 == pytest.approx(numbers.mean(), abs=0.03)
    assert intervals(Mean(numbers), 400, 100, seed=0) == intervals(Mean(numbers), 400, 100, seed=0)
    assert intervals(Mean(numbers), 400, 100, seed=0) != intervals(Mean(numbers), 400, 100, seed=1)


def test_a_biased_metric_gets_its_interval_moved_back():
    class Distinct(Mean):
        """How many different stories there are: every resample has fewer."""

        def compute(self, rows: Any = None) -> dict[str, float]:
            return {"mean": float(len(self.numbers) if rows is None else len(set(rows.tolist())))}

    metric = Distinct(np.arange(100))
    assert intervals(metric, 100, 200, seed=0)["mean"][1] < 100
    metric.biased = True
    low, high = intervals(metric, 100, 200, seed=0)["mean"]
    assert low < 100 < high


def test_a_number_that_some_resamples_lack():
    class Sometimes(Mean):
        def compute(self, rows: Any = None) -> dict[str, float]:
            return super().compute(rows) if rows is None or 0 in rows else {}

    low, high = intervals(Sometimes(np.arange(4.0)), 4, 200, seed=0)["mean"]
    assert 0 <= low < high <= 3


def test_pictures_may_be_memory_mapped(data, step_context, tmp_path: Path):
    pictures = draw(data, 6)
    pictures.save(tmp_path)
    loaded = Pictures.load(tmp_path)
    assert evaluate(data, step_context(), pictures={"model": loaded}).rows == (
        evaluate(data, step_context(), pictures={"model": copy.deepcopy(pictures)}).rows
    )
