"""Other captions for stories: written, imported, and drawn in training."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gst
from gst import plugins, schema
from gst.artifacts import Captions, Tokens
from gst.cast import Cast, Character
from gst.condition import Text, TextSpec
from gst.conditioner import Conditioner
from gst.errors import DataError, UsageError
from gst.graph import Graph
from gst.kinds import TextEncoder
from gst.latents import LatentSpec
from gst.make import Maker
from gst.recipe.blueprint import Blueprint
from gst.recipe.load import load_recipe
from gst.steps.fit import Fit
from gst.steps.import_captions import ImportCaptions
from gst.steps.train import Train
from gst.steps.write import Write
from gst.training.alternatives import Alternatives
from gst.training.rows import CaptionRows
from gst.training.source import StorySource

CAST = Cast((Character("Bo", pronouns=("he",)), Character("Mi", pronouns=("she",))))
OWN = [["Bo runs", "he rests", "he sits"], ["Mi runs", "she rests"], ["Bo and Mi run"]]
OTHER: dict[str, list[str | None]] = {"t0": ["Mi flies", None, "Bo lies"], "t1": ["Mi flies", "she lies"]}


class Words(TextEncoder):
    """Features or ids: the length of each word. Remembers what it encoded."""

    def __init__(self, kind: Any = "ids") -> None:
        self.kind_of, self.encoded = kind, Counter[str]()

    @property
    def spec(self) -> TextSpec:
        return TextSpec(
            self.kind_of, 4, vocab=100 if self.kind_of == "ids" else 0, dim=0 if self.kind_of == "ids" else 2
        )

    def encode(self, captions):  # type: ignore[no-untyped-def]
        self.encoded.update(caption for story in captions for caption in story)
        rows = torch.tensor([[([len(w) for w in c.split()] + [0] * 4)[:4] for c in story] for story in captions])
        data = rows if self.kind_of == "ids" else torch.stack([rows, -rows], -1).float()
        return Text(data, rows > 0)


def tokens() -> Tokens:
    return Tokens(
        spec=LatentSpec("ids", (2, 2), vocab=9),
        ids=["t0", "t1", "t2"],
        captions=OWN,
        data=np.arange(36, dtype=np.uint8).reshape(3, 3, 2, 2) % 9,
        characters=None,
        cast=CAST,
        source="",
    )


# Which caption is told


def test_a_draw_depends_on_seed_story_frame_and_epoch() -> None:
    captions, others = [f"own {t}" for t in range(5)], [f"other {t}" for t in range(5)]
    written = {f"s{i}": others for i in range(200)}

    def drawn(seed: int, epoch: int, rate: float = 0.3) -> list[tuple[str, ...]]:
        alternatives = Alternatives(written, rate, seed)
        return [alternatives.draw(name, captions, epoch) for name in written]

    first = drawn(0, 0)
    assert first == drawn(0, 0)
    shares = np.array([[c.startswith("other") for c in story] for story in first])
    assert np.allclose(shares.mean(0), 0.3, atol=0.1)
    assert len({tuple(row) for row in shares}) > 20, "frames and stories are drawn apart"
    assert np.abs(np.corrcoef(shares.T) - np.eye(5)).max() < 0.25
    for anew in (drawn(1, 0), drawn(0, 1)):
        assert (np.array(anew) != np.array(first)).mean() > 0.2
    assert set(drawn(0, 0, 0.0)) == {tuple(captions)}
    assert set(drawn(0, 0, 1.0)) == {tuple(others)}


def test_frames_and_stories_without_alternatives_keep_their_own() -> None:
    always = Alternatives(OTHER, 1.0, 0)
    assert always.draw("t0", OWN[0], 3) == ("Mi flies", "he rests", "Bo lies")
    assert always.draw("t2", OWN[2], 3) == ("Bo and Mi run",)
    with pytest.raises(DataError, match="'t1' has 3 captions, and 2 were written"):
        always.draw("t1", OWN[0], 3)


def test_a_batch_is_told_what_was_drawn_and_whom_that_names() -> None:
    text = Words()
    conditioner = Conditioner(text, CAST)
    alternatives = Alternatives(OTHER, 0.5, 0)
    source = StorySource(tokens(), batch_size=3, seed=0, conditioner=conditioner, alternatives=alternatives)
    seen = set()
    for step in range(24):
        batch = source.batch(step)
        for name, captions in zip(batch.ids, batch.captions, strict=True):
            own = OWN[int(name[1])]
            assert tuple(captions[: len(own)]) == alternatives.draw(name, own, epoch=step)
            seen.add((name, *captions))
        expected = conditioner(batch.ids, batch.captions, batch.frame_mask)
        assert torch.equal(batch.condition.text.data, expected.text.data)
        assert torch.equal(batch.condition.text.mask, expected.text.mask)
        assert torch.equal(batch.condition.characters, expected.characters)
        again = StorySource(tokens(), batch_size=3, seed=0, conditioner=conditioner, alternatives=alternatives)
        assert again.batch(step).captions == batch.captions, "whatever came before"
    assert {row[1:] for row in seen if row[0] == "t0"} == {
        (a, "he rests", c) for a in ("Bo runs", "Mi flies") for c in ("he sits", "Bo lies")
    }
    flown = source.of([0], epochs=[next(e for e in range(99) if alternatives.draw("t0", OWN[0], e)[0] == "Mi flies")])
    assert flown.condition.characters[0, :2].tolist() == [[False, True], [False, False]], "he is nobody now"
    assert source.of([0]).captions == [OWN[0]], "without an epoch it is the story's own captions"


def test_single_frames_are_told_the_caption_that_their_story_drew() -> None:
    alternatives = Alternatives(OTHER, 0.5, 0)
    conditioner = Conditioner(Words(), CAST)
    source = StorySource(
        tokens(), batch_size=6, seed=0, unit="frame", conditioner=conditioner, alternatives=alternatives
    )
    for epoch in range(6):
        batch = source.batch(epoch)
        for i, name in enumerate(batch.ids):
            story, t = name.split("#")
            drawn = alternatives.draw(story, OWN[int(story[1])], epoch)
            assert batch.captions[i] == [drawn[int(t)]]
            assert torch.equal(batch.condition.characters[i, 0], conditioner.characters(drawn)[int(t)])


@pytest.mark.parametrize("kind", ["ids", "features"])
def test_captions_are_encoded_once_and_kept_without_padding(kind: str) -> None:
    text = Words(kind)
    rows = CaptionRows(text)
    stories = [["a bb", ""], ["ccc", "a bb"]]
    for _ in range(3):
        kept = rows(stories)
    assert set(text.encoded.values()) == {1}
    expected = Words(kind).encode(stories)
    assert torch.equal(kept.data, expected.data)
    assert kept.data.dtype == expected.data.dtype
    assert torch.equal(kept.mask, expected.mask)
    assert rows.nbytes == 3 * ((8 if kind == "ids" else 2 * 2) + 1)
    full = CaptionRows(text, limit=0)
    for _ in range(2):
        assert torch.equal(full(stories).data, expected.data)
    assert text.encoded["ccc"] == 3


# Steps


def blueprint(kind: str, name: str, **options: Any) -> Blueprint:
    entry = plugins.registry().get(kind, name)
    clean, problems = schema.validate(entry.load(), options, "", name)
    assert not problems
    return Blueprint(kind, name, clean, entry)


@pytest.fixture(scope="module")
def split() -> Any:
    return gst.build("dataset", "story-world", size=16, train=12).split("train")


def test_writing_fitting_and_training(split: Any, step_context: Callable[..., Any]) -> None:
    writer: Any = gst.build("writer", "grammar")
    made = Write(writer=writer, data=split, stories=6).run(step_context("write"))["captions"]
    assert list(made.stories) == [split.id(i) for i in range(6)]
    assert made.about["writer"] == {"use": "grammar"}
    assert made.about["failures"] == {}
    assert Write(writer=writer, data=split, stories=6).run(step_context("other", seed=1))["captions"] != made
    stand_in = Write(writer=writer, data=split).stand_in(step_context("probe"))["captions"]
    assert stand_in.stories[split.id(11)] == list(split.captions(11))

    bpe: Any = blueprint("text", "bpe", vocab_size=300, length=96)
    text = Fit(text=bpe, data=split, alternatives=made).run(step_context("fit"))["text"]
    assert all(text.unknown_words(caption) == [] for caption in made.texts())
    alone = Fit(text=bpe, data=split).run(step_context("fit-own"))["text"]
    assert any(alone.unknown_words(caption) for caption in made.texts())

    data = tokens()
    data.ids, data.cast = [split.id(i) for i in range(3)], split.dataset.cast
    data.data, data.captions = np.ones((3, 5, 2, 2), np.uint8), [list(split.captions(i)) for i in range(3)]
    prior: Any = blueprint("prior", "maskgst", dim=16, heads=2, head_dim=8, layers=["full"])
    given: dict[str, Any] = {"model": prior, "data": data, "text": text, "steps": 2, "batch_size": 3}

    def trained(name: str, **options: Any) -> dict[str, torch.Tensor]:
        return Train(**given, **options).run(step_context(name))["model"].state_dict()

    own, none, mixed = trained("own"), trained("none", alternatives=made, alternative_rate=0.0), None
    mixed = trained("mixed", alternatives=made)
    assert all(torch.equal(own[name], none[name]) for name in own)
    assert any(not torch.equal(own[name], mixed[name]) for name in own)
    assert Train(**given, alternatives=made).probe(step_context("probe-train")).seconds is not None
    with pytest.raises(UsageError, match="1 stories, of which none is among the 3"):
        trained("stranger", alternatives=Captions({"stranger": ["Hello."]}))


def test_captions_of_a_file_are_matched_by_story_or_by_frame(
    split: Any, tmp_path: Path, step_context: Callable[..., Any]
) -> None:
    def imported(content: Any, name: str = "ready.json") -> Captions:
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        made: Captions = ImportCaptions(file=path, data=split).run(step_context("import"))["captions"]
        return made

    first, second = split.id(0), split.id(1)
    whole = ["Eins.", None, "Drei.", "Vier.", "Fünf."]
    assert imported({first: whole, f"{second}#1": "Zwei.", "elsewhere": "No."}).stories == {
        first: whole,
        second: [None, "Zwei.", None, None, None],
    }
    assert imported(json.dumps({"id": first, "captions": whole}) + "\n", "ready.jsonl").stories == {first: whole}
    odd = json.dumps({"id": first, "captions": ["a\u2028b", *whole[1:]]}, ensure_ascii=False)
    assert imported(odd, "odd.jsonl").stories[first][0] == "a\u2028b"
    context = step_context("counted")
    ImportCaptions(file=tmp_path / "ready.json", data=split).run(context)
    (line,) = [json.loads(x) for x in (context.run_dir / "metrics.jsonl").read_text().splitlines() if "counted" in x]
    assert line["scalars"] == {"stories": 2.0, "frames": 5.0, "unused": 1.0}
    for wrong, message in (
        ({first: whole[:3]}, "needs a list of 5 captions"),
        ({f"{first}#0": 7}, "must be a text, not 7"),
        ({"a": "b"}, "no caption for any story of split 'train'"),
        ([1], "must hold one JSON object"),
        ("{", "cannot be read"),
    ):
        with pytest.raises(DataError, match=message):
            imported(wrong)


def test_a_folder_of_stories_is_matched_by_its_pictures(tmp_path: Path, step_context: Callable[..., Any]) -> None:
    from PIL import Image

    for name in ("a.png", "b.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    rows = [
        {"id": "one", "captions": ["Hi.", "Ho."], "images": ["a.png", "b.png"]},
        {"id": "two", "captions": ["Hm."], "strip": "a.png"},
    ]
    (tmp_path / "stories.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "ready.json").write_text(json.dumps({"b.png": "Hello.", "two#0": "Well."}))
    folder: Any = gst.build("dataset", "story-folder", root=str(tmp_path)).split("train")
    made = ImportCaptions(file=tmp_path / "ready.json", data=folder).run(step_context())["captions"]
    assert made.stories == {"one": [None, "Hello."], "two": ["Well."]}


def test_a_file_counts_by_what_it_holds(tmp_path: Path) -> None:
    def fingerprint(path: Path) -> str:
        components = {"data": {"use": "story-world", "train": 3}}
        steps = {"other": {"use": "import-captions", "file": str(path), "data": "$data.train"}}
        recipe = load_recipe({"gst": 1, "components": components, "steps": steps})
        return Graph(recipe).fingerprints(Maker(recipe, lambda *_: None))["other"]

    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "b.json").write_text("{}")
    assert fingerprint(tmp_path / "a.json") == fingerprint(tmp_path / "b.json")
    (tmp_path / "b.json").write_text('{"x": "y"}')
    assert fingerprint(tmp_path / "a.json") != fingerprint(tmp_path / "b.json")
    with pytest.raises(DataError, match="there is no file"):
        fingerprint(tmp_path / "c.json")


def test_captions_come_back_as_they_were_written(tmp_path: Path) -> None:
    made = Captions({"ä": ["Über.", None], "b": ["Zwei\u2028Zeilen."]}, {"failures": {"c": "no"}})
    made.save(tmp_path)
    assert Captions.load(tmp_path) == made

    def lines() -> Iterator[dict[str, Any]]:
        with (tmp_path / "captions.jsonl").open(encoding="utf-8") as file:
            yield from map(json.loads, file)

    assert [row["id"] for row in lines()] == ["ä", "b"]
