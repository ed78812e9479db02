"""codraw: a small copy of its layout with planted defects, and the real data where it is there."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gst.errors import DataError
from gst_data.codraw import CAST, INDEX, SPLITS, CoDraw

HERE = Path(__file__).resolve()
PLACES = [Path(p) for p in (os.environ.get("GST_DATA"),) if p] + [HERE.parents[4] / "shared/data"]
REAL = next((p for base in PLACES for p in (base, base / "codraw_sv") if (p / INDEX).is_file()), None)


def strip(value, size=(64, 320)):
    pixels = np.full((size[1], size[0], 3), value, np.uint8)
    for k in range(5):
        pixels[k * size[1] // 5 :, :, 0] = 50 * k
    out = io.BytesIO()
    Image.fromarray(pixels).convert("P").save(out, "PNG")
    return out.getvalue()


def row(name, split, **more):
    frames = [{"caption": f"boy and dog {k}", "chars": [1, 0, 0, 0, int(k > 1), 0, 0, 0]} for k in range(5)]
    return {"id": name, "split": split, "frames": frames, **more}


@pytest.fixture
def folder(tmp_path):
    """Writes a small codraw_sv: three stories a split."""

    def write(rows=(), strips=()):
        rows = [row(f"{s}{k}", s) for s in SPLITS for k in range(3)] + list(rows)
        with gzip.open(tmp_path / INDEX, "wt") as file:
            file.writelines((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows)
        for split in SPLITS:
            with zipfile.ZipFile(tmp_path / f"strips64_{split}.zip", "w") as archive:
                for k in range(3):
                    name = f"{split}{k}.png"
                    archive.writestr(name, dict(strips).get(name, strip(k)))
        return tmp_path

    return write


def test_reads_stories(folder, monkeypatch):
    root = folder()
    data = CoDraw(root=str(root))
    assert data.splits == SPLITS
    assert [len(data.split(s)) for s in SPLITS] == [3, 3, 3]
    story = data.split("val")[1]
    assert story.id == "val1"
    assert story.frames.shape == (5, 3, 64, 64)
    assert story.frames.dtype == np.uint8
    assert np.abs(story.frames[:, 0].mean((1, 2)) - [0, 50, 100, 150, 200]).max() < 30
    assert story.characters.sum(1).tolist() == [1, 1, 2, 2, 2]
    assert data.cast.resolve(story.captions).sum(1).tolist() == [2] * 5
    assert CoDraw(root=str(root), size=32).split("val")[1].frames.shape == (5, 3, 32, 32)
    monkeypatch.setenv("GST_DATA", str(root))
    assert CoDraw().fingerprint() == data.fingerprint()
    assert CoDraw.detect(root)
    findings = CoDraw.check(root)
    assert not [f for f in findings if f.level == "error"]
    assert any(f.message == "split val: 3 stories, 15 frames" for f in findings)
    with pytest.raises(DataError, match="train, val, test"):
        data.split("dev")


def test_the_parent_folder_will_do(folder, monkeypatch):
    root = folder()
    inner = root / "up" / "codraw_sv"
    inner.mkdir(parents=True)
    for path in [*root.glob("*.zip"), root / INDEX]:
        path.rename(inner / path.name)
    assert CoDraw(root=str(root / "up")).root == inner
    monkeypatch.setenv("GST_DATA", str(root / "up"))
    assert CoDraw().root == inner


def test_no_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("GST_DATA", raising=False)
    with pytest.raises(DataError, match="GST_DATA"):
        CoDraw()
    with pytest.raises(DataError, match=r"holds stories\.jsonl\.gz"):
        CoDraw(root=str(tmp_path))
    assert not CoDraw.detect(tmp_path)
    assert CoDraw.check(tmp_path / "no")[0].level == "error"


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("{", "stories.jsonl.gz:10: not a line of JSON"),
        ({"id": "x"}, "stories.jsonl.gz:10: not a story"),
        (row("x", "dev"), "split 'dev'"),
        (row("x", "val", frames=row("x", "val")["frames"][:4]), "must have 5 frames"),
        (row(3, "val"), "id and captions must be texts"),
        (row("val1", "val"), "given twice: val1"),
        (row("x", "val"), "strips64_val.zip lacks 1 of 4 strips, such as x.png"),
    ],
)
def test_a_wrong_line_is_named(folder, bad, said):
    root = folder([bad])
    with pytest.raises(DataError) as caught:
        CoDraw(root=str(root))
    assert said in str(caught.value)
    assert any(f.level == "error" and said in f.message for f in CoDraw.check(root))


def test_a_truncated_index_is_named(folder):
    root = folder()
    data = (root / INDEX).read_bytes()
    (root / INDEX).write_bytes(data[: len(data) - 20])
    with pytest.raises(DataError, match=r"stories\.jsonl\.gz: cannot be read after line"):
        CoDraw(root=str(root))


def test_missing_and_broken_archives_are_named(folder):
    root = folder()
    (root / "strips64_val.zip").unlink()
    whole = (root / "strips64_test.zip").read_bytes()
    (root / "strips64_test.zip").write_bytes(whole[:200])
    with pytest.raises(DataError) as caught:
        CoDraw(root=str(root))
    assert "strips64_val.zip is missing" in str(caught.value)
    assert "strips64_test.zip is not a readable zip" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no picture", "train1.png in strips64_train.zip is not a readable picture"),
        (strip(0)[:-40], "train1.png in strips64_train.zip is not a readable picture"),
        (strip(0, (64, 256)), "64 x 256 pixels; expected 64 x 320"),
    ],
)
def test_a_corrupt_strip_is_named(folder, content, said):
    root = folder(strips={"train1.png": content})
    train = CoDraw(root=str(root)).split("train")
    assert train[0].id == "train0"
    with pytest.raises(DataError) as caught:
        train[1]
    assert said in str(caught.value)
    assert [f.message for f in CoDraw.check(root) if f.level == "error"] == [str(caught.value)]


def test_flipped_bytes_in_an_archive_are_named(folder):
    root = folder()
    path = root / "strips64_train.zip"
    data = bytearray(path.read_bytes())
    at = data.index(b"IDAT") + 20
    data[at] ^= 255
    path.write_bytes(bytes(data))
    with pytest.raises(DataError, match=r"train0\.png in strips64_train\.zip is corrupt"):
        CoDraw(root=str(root)).split("train")[0]


def test_travels_to_other_processes(folder):
    split = CoDraw(root=str(folder())).split("train")
    first = split[0]
    again = pickle.loads(pickle.dumps(split))[0]
    assert np.array_equal(first.frames, again.frames)


def test_hot_dogs_and_kids():
    assert CAST.mentions("a hot dog and hot dogs").sum() == 0
    assert [CAST.names[i] for i in np.flatnonzero(CAST.mentions("the kids and a dog"))] == ["mike", "jenny", "dog"]


@pytest.mark.skipif(REAL is None, reason="the codraw_sv data is not here; set GST_DATA")
def test_the_real_data():
    data = CoDraw(root=str(REAL))
    assert [len(data.split(s)) for s in SPLITS] == [4046, 484, 518]
    labels = np.concatenate([np.array(r.characters) for s in SPLITS for r in data.split(s)._rows])
    # The numbers of the data's own README.
    assert dict(zip(CAST.names, labels.sum(0).tolist(), strict=True)) == {
        "mike": 16886, "jenny": 16501, "bear": 2337, "cat": 2531, "dog": 3140, "duck": 1193, "owl": 1712, "snake": 1520,
    }  # fmt: skip
    for split in SPLITS:
        story = data.split(split)[-1]
        assert story.frames.shape == (5, 3, 64, 64)
        assert story.frames.std() > 10
        assert all(story.captions)
