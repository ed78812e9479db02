"""story-folder: reading one's own stories, and every way in which they can be wrong."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from PIL import Image

from gst.errors import DataError
from gst_data.story_folder import StoryFolder

CAST = [{"name": "Mia", "aliases": ["girl"], "pronouns": ["she"]}, {"name": "Rex"}]
COLORS = ["red", "green", "blue", "white"]


def story(name, frames=2, **more):
    captions = [f"Mia sees {c}." for c in COLORS[:frames]]
    return {"id": name, "captions": captions, "images": [f"p/{c}.png" for c in COLORS[:frames]], **more}


@pytest.fixture
def folder(tmp_path):
    """Writes a folder; rows may be objects or raw text."""

    def write(rows, cast=CAST):
        (tmp_path / "p").mkdir(exist_ok=True)
        for color in COLORS:
            Image.new("RGB", (20, 20), color).save(tmp_path / "p" / f"{color}.png")
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        (tmp_path / "stories.jsonl").write_text("\n".join(lines), "utf-8")
        if cast is not None:
            (tmp_path / "cast.json").write_text(cast if isinstance(cast, str) else json.dumps(cast))
        return tmp_path

    return write


def test_reads_stories_of_different_lengths(folder):
    root = folder(
        [story("b", split="test"), story("a", 3, characters=[["Mia"], [], ["Rex", "Mia"]]), "", story("c", 1)]
    )
    data = StoryFolder(root=str(root), size=16)
    assert data.splits == ("train", "test")
    assert data.frames_per_story == 3
    assert data.cast.names == ("Mia", "Rex")
    train = data.split("train")
    assert train.ids == ("a", "c")
    first = train[0]
    assert first.captions == train.captions(0) == ("Mia sees red.", "Mia sees green.", "Mia sees blue.")
    assert first.frames.shape == (3, 3, 16, 16)
    assert first.frames[:, :, 8, 8].tolist() == [[255, 0, 0], [0, 128, 0], [0, 0, 255]]
    assert first.characters.tolist() == [[True, False], [False, False], [True, True]]
    assert train[1].characters is None
    with pytest.raises(DataError, match="train, test"):
        data.split("val")
    assert StoryFolder.detect(root)
    assert not [f for f in StoryFolder.check(root) if f.level == "error"]


@pytest.mark.parametrize("down", [True, False])
def test_strips_are_cut_along_the_longer_side(folder, down):
    root = folder([{"id": "s", "captions": ["a", "b", "c"], "strip": "p/strip.png"}], cast=None)
    pixels = np.zeros((30, 10, 3), np.uint8)
    pixels[10:20] = 100
    pixels[20:] = 200
    Image.fromarray(pixels if down else pixels.transpose(1, 0, 2)).save(root / "p/strip.png")
    frames = StoryFolder(root=str(root), size=10).split("train")[0].frames
    assert [int(f.mean()) for f in frames] == [0, 100, 200]
    assert not len(StoryFolder(root=str(root)).cast)


def test_transparent_and_grey_pictures(folder):
    root = folder([{"id": "s", "captions": ["a", "b"], "images": ["p/clear.png", "p/grey.png"]}])
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(root / "p/clear.png")
    Image.new("L", (8, 8), 77).save(root / "p/grey.png")
    frames = StoryFolder(root=str(root), size=8).split("train")[0].frames
    assert (frames[0] == 255).all()
    assert (frames[1] == 77).all()


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{not json", "stories.jsonl:2: not a line of JSON"),
        ("[1]", "expected an object"),
        (story("ok"), "id 'ok' is taken by stories.jsonl:1"),
        (story(""), '"id" must be a text'),
        (story(7), '"id" must be a text'),
        (story("x", split="my split"), '"split"'),
        (story("x", images=["p/red.png"]), "2 captions and 1 images"),
        (story("x", images="p/red.png"), '"images" must be a list'),
        (story("x", captions=[]), '"captions" must be a list'),
        (story("x", captions=["a", 3]), '"captions" must be a list'),
        (story("x", captions=["a", " "]), "a caption is empty"),
        (story("x", strip="p/red.png"), "give either"),
        ({"id": "x", "captions": ["a"]}, "give either"),
        (story("x", colour="red"), "unknown keys colour"),
        (story("x", images=["p/red.png", "p/no.png"]), "p/no.png is missing"),
        (story("x", images=["p/red.png", "../x.png"]), "stay inside the folder"),
        (story("x", images=["p/red.png", "/etc/passwd"]), "stay inside the folder"),
        (story("x", images=["p/red.png", "p\\red.png"]), "stay inside the folder"),
        (story("x", images=["p/red.png", "p/a\0.png"]), "stay inside the folder"),
        (story("x", images=["p/red.png", "p"]), "p is missing"),
        (story("x", characters=[["Mia"]]), "a list of names for each frame"),
        (story("x", characters=[["Mia"], ["Bob"]]), "Bob not in cast.json, which has Mia, Rex"),
    ],
)
def test_a_wrong_line_is_named(folder, row, said):
    root = folder([story("ok"), row])
    with pytest.raises(DataError) as caught:
        StoryFolder(root=str(root))
    assert said in str(caught.value)
    assert "stories.jsonl:2" in str(caught.value)
    assert any(f.level == "error" and said in f.message for f in StoryFolder.check(root))


def test_links_that_leave_the_folder_are_refused(folder, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "secret.png"
    Image.new("RGB", (4, 4)).save(outside)
    root = folder([story("x", images=["p/red.png", "p/link.png"])])
    os.symlink(outside, root / "p/link.png")
    with pytest.raises(DataError, match="leaves the folder"):
        StoryFolder(root=str(root))


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"not a picture", "not a readable picture"), (b"", "not a readable picture"), (None, "not a readable picture")],
)
def test_a_corrupt_picture_is_named(folder, content, said):
    root = folder([story("x")])
    target = root / "p/green.png"
    target.write_bytes(target.read_bytes()[:40] if content is None else content)
    data = StoryFolder(root=str(root))
    with pytest.raises(DataError, match=f"p/green.png of story 'x' is {said}"):
        data.split("train")[0]
    assert any("p/green.png" in f.message and f.level == "error" for f in StoryFolder.check(root))


def test_a_strip_of_the_wrong_size_is_named(folder):
    root = folder([{"id": "s", "captions": ["a", "b", "c"], "strip": "p/red.png"}])
    with pytest.raises(DataError, match="20 x 20 pixels, which 3 frames do not divide"):
        StoryFolder(root=str(root)).split("train")[0]


@pytest.mark.parametrize(
    ("cast", "said"),
    [
        ("{", "cast.json cannot be read"),
        ("{}", "must be a list"),
        ("[{}]", "character 1 needs a name"),
        ("[3]", "character 1 needs a name"),
        ('[{"name": "A", "hat": 1}]', "character 1 needs a name"),
        ('[{"name": "A", "aliases": "b"}]', "lists of texts"),
        ('[{"name": "A", "aliases": [""]}]', "is empty"),
        ('[{"name": "A"}, {"name": "A"}]', "two characters named A"),
    ],
)
def test_a_wrong_cast_is_named(folder, cast, said):
    root = folder([story("x")], cast=cast)
    with pytest.raises(DataError, match=said):
        StoryFolder(root=str(root))


def test_an_empty_or_missing_folder(folder, tmp_path):
    with pytest.raises(DataError, match="there is no folder"):
        StoryFolder(root=str(tmp_path / "no"))
    with pytest.raises(DataError, match=r"stories\.jsonl is missing"):
        StoryFolder(root=str(tmp_path))
    assert not StoryFolder.detect(tmp_path)
    assert StoryFolder.check(tmp_path / "no")[0].level == "error"
    root = folder([])
    with pytest.raises(DataError, match="holds no story"):
        StoryFolder(root=str(root))


def test_many_errors_are_counted_not_listed(folder):
    root = folder(["{"] * 150)
    with pytest.raises(DataError, match="and 145 more"):
        StoryFolder(root=str(root))
    findings = StoryFolder.check(root)
    assert len([f for f in findings if f.level == "error"]) == 101
    assert any("50 more" in f.message for f in findings)


def test_check_tells_what_is_odd(folder):
    root = folder([story("a", split="val"), story("b", split="val", characters=[["Mia"], []])])
    Image.new("RGB", (40, 20)).save(root / "p/red.png")
    said = "\n".join(f"{f.level}: {f.message}" for f in StoryFolder.check(root))
    assert "warning: some frames are not square" in said
    assert "warning: no story is in split train" in said
    assert "warning: 1 of 2 stories have no characters" in said
    assert "info: split val: 2 stories" in said
    assert "info: Mia: visible in 1 frames" in said


def test_fingerprint_follows_text_pictures_cast_and_size(folder):
    root = folder([story("x"), story("y", split="test")])

    def prints():
        data = StoryFolder(root=str(root))
        return data.fingerprint(), data.split("train").fingerprint(), data.split("test").fingerprint()

    base = prints()
    assert prints() == base
    assert StoryFolder(root=str(root), size=32).fingerprint() != base[0]
    folder([story("x"), story("y", split="test", captions=["other", "words"])])
    changed = prints()
    assert changed[1] == base[1]
    assert changed[2] != base[2]
    assert changed[0] != base[0]
    Image.new("RGB", (20, 20), "pink").save(root / "p/red.png")
    assert prints()[1] != base[1]
