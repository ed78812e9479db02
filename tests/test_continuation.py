"""Continuing stories, drawing a frame or a region again: what is kept is kept to the bit, in tokens and in pixels."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import gst
from gst import plugins
from gst.artifacts import Pictures
from gst.batch import StoryBatch, to_float
from gst.conditioner import Conditioner
from gst.drawn import DrawnStory
from gst.editing import Kept, keep_outside, region_pixels
from gst.errors import DataError, OptionError, PluginError, UsageError
from gst.given import read_frames, read_mask
from gst.kinds import Metric, Sampler, StorySet
from gst.latents import Latents
from gst.noise import Noise
from gst.pictures import to_image
from gst.pipeline import StoryPipeline
from gst.runtime import Runtime
from gst.steps.evaluate import Evaluate
from gst.steps.sample import Sample

STORY = ["Bobo stands on the beach.", "He meets Zuki.", "They run to the castle.", "Tolo waits there."]
SIZE, GRID, CELL = 16, 4, 4


class Spy(Sampler):
    """Another sampler, whose draws are seen."""

    families = ("masked",)

    def __init__(self, inner: Sampler) -> None:
        self.inner, self.options, self.use = inner, inner.options, "spy"

    def sample(self, prior: Any, condition: Any, noise: Noise, **known: Any) -> Latents:
        self.known, self.keep = known["known"], known["keep"]
        self.drawn = self.inner.sample(prior, condition, noise, **known)
        return self.drawn


def make_pipe(layers: tuple[str, ...] = ("full", "sv"), sampler: Sampler | None = None) -> StoryPipeline:
    """Untrained, with weights so loud that every condition, every given token and every draw changes the picture."""
    data = gst.build("dataset", "story-world", size=SIZE, train=4)
    text = gst.build("text", "bpe", vocab_size=300, length=96)
    text.fit(caption for story in [STORY, *map(data.split("train").captions, range(4))] for caption in story)
    with torch.random.fork_rng():
        torch.manual_seed(2)  # of the codebook, which is no parameter
        tokenizer = gst.build(
            "tokenizer", "vqvae", frame_size=(SIZE, SIZE), downsample=CELL, widths=[8], codebook_size=16, code_dim=8
        )
    bound = {"latents": tokenizer.spec, "text": text.spec, "cast": data.cast}
    prior = gst.build("prior", "maskgst", dim=16, heads=2, head_dim=8, layers=list(layers), max_frames=6, **bound)
    prior.conditioner = Conditioner(text, data.cast)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for part, loud in ((tokenizer, 0.3), (prior, 0.4), (prior.head, 0.5)):
            for parameter in part.parameters():
                parameter.normal_(0.0, loud, generator=generator)
        for name, parameter in prior.named_parameters():
            if ".attention." in name and parameter.ndim == 2:
                parameter.mul_(10.0)  # a mean over all rows would hardly tell one frame from another
        for part in prior.modules():
            if isinstance(part, torch.nn.LayerNorm):
                part.weight.fill_(1.0)
    sampler = sampler or gst.build("sampler", "maskgit", steps=3, guidance=gst.build("guidance", "character"))
    return StoryPipeline(tokenizer, prior, sampler, runtime=Runtime(device="cpu", precision="fp32"))


@pytest.fixture(scope="module")
def pipe() -> StoryPipeline:
    return make_pipe(sampler=Spy(gst.build("sampler", "maskgit", steps=3)))


@pytest.fixture(scope="module")
def story(pipe: StoryPipeline) -> DrawnStory:
    return pipe(STORY, seed=1)


def tokens_of(pipe: StoryPipeline, frames: np.ndarray) -> torch.Tensor:
    with torch.no_grad():
        return pipe.tokenizer.encode(to_float(torch.from_numpy(frames))[None]).data[0]


def random_frames(count: int, seed: int = 0, size: tuple[int, int] = (SIZE, SIZE)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 3, *size)).astype(np.uint8)


@settings(max_examples=8)
@given(k=st.integers(1, 3), total=st.integers(2, 4), seed=st.integers(0, 99))
def test_given_frames_and_their_tokens_come_back_to_the_bit(pipe: Any, k: int, total: int, seed: int) -> None:
    frames = random_frames(k, seed)
    if k >= total:
        with pytest.raises(DataError, match="nothing is left to be drawn"):
            pipe(STORY[:total], given=frames)
        return
    drawn = pipe(STORY[:total], given=frames, seed=seed)
    assert np.array_equal(drawn.frames[:k], frames)
    assert torch.equal(pipe.sampler.drawn.data[0, :k], tokens_of(pipe, frames))
    assert not pipe.sampler.keep[0, k:].any()
    assert drawn.about["given_frames"] == k
    again = pipe(STORY[:total], given=list(frames), seed=seed)
    assert np.array_equal(drawn.frames, again.frames)


def test_the_story_goes_on_from_what_is_given(pipe: Any) -> None:
    drawn = [pipe(STORY, given=random_frames(1, n), seed=3).frames for n in range(1, 7)]
    assert len({frames[1:].tobytes() for frames in drawn}) > 2  # of six; a token may well be the same after two frames
    one = drawn[0]
    other_seed = pipe(STORY, given=random_frames(1, 1), seed=4).frames
    assert np.array_equal(other_seed[0], one[0])
    assert not np.array_equal(other_seed[1:], one[1:])
    assert np.array_equal(pipe(STORY, given=random_frames(0), seed=3).frames, pipe(STORY, seed=3).frames)


def test_a_model_that_sees_no_other_frame_says_so(pipe: Any) -> None:
    blind = make_pipe(("full", "self"))
    assert pipe.sees_frames
    assert not blind.sees_frames
    one, two = (blind(STORY, given=random_frames(1, n), seed=3).frames for n in (1, 2))
    assert np.array_equal(one[1:], two[1:])
    assert np.array_equal(one[1:], blind(STORY, seed=3).frames[1:])


@pytest.mark.parametrize("name", [e.name for e in plugins.registry().entries("sampler")])
def test_every_sampler_keeps_or_says_that_it_cannot(name: str) -> None:
    """The pipeline itself compares the tokens and raises where a sampler that says it keeps did not."""
    sampler = gst.build("sampler", name)
    if "masked" not in sampler.families:
        pytest.skip(f"draws from {sampler.families}")
    pipe = make_pipe(sampler=sampler)
    frames = random_frames(4)
    before = DrawnStory(tuple(STORY), frames, (), 0)
    if not sampler.keeps:
        with pytest.raises(UsageError, match="cannot keep"):
            pipe.redraw(before, 1)
        return
    after = pipe.redraw(before, 1, region=(4, 4, 12, 8))
    outside = np.ones((4, SIZE, SIZE), bool)
    outside[1, 4:8, 4:12] = False
    assert (after.frames == frames).all(1)[outside].all()
    assert not np.array_equal(after.frames, frames)


def test_samplers_that_cannot_keep_or_do_not(pipe: Any) -> None:
    class Deaf(Spy):
        def sample(self, prior: Any, condition: Any, noise: Noise, **known: Any) -> Latents:
            return self.inner.sample(prior, condition, noise)

    deaf = make_pipe(sampler=Deaf(pipe.sampler.inner))
    with pytest.raises(PluginError, match="'spy' did not keep"):
        deaf(STORY, given=random_frames(1))
    Deaf.keeps = False
    for call in (lambda: deaf(STORY, given=random_frames(1)), lambda: deaf.redraw(deaf(STORY), 0)):
        with pytest.raises(UsageError, match="'spy' cannot keep"):
            call()


@settings(max_examples=8)
@given(frame=st.integers(0, 3), seed=st.integers(0, 9))
def test_a_frame_drawn_again_changes_no_other(pipe: Any, story: DrawnStory, frame: int, seed: int) -> None:
    after = pipe.redraw(story, frame, "Zuki sleeps.", seed=seed)
    others = [t for t in range(4) if t != frame]
    assert np.array_equal(after.frames[others], story.frames[others])
    assert not np.array_equal(after.frames[frame], story.frames[frame])
    assert torch.equal(pipe.sampler.drawn.data[0, others], tokens_of(pipe, story.frames)[others])
    assert not pipe.sampler.keep[0, frame].any()
    assert after.captions == tuple("Zuki sleeps." if t == frame else c for t, c in enumerate(STORY))
    assert after.recognised[frame].characters == ("Zuki",)
    assert np.array_equal(after.frames, pipe.redraw(story, frame, "Zuki sleeps.", seed=seed).frames)


def test_caption_seed_and_the_other_frames_decide_it(pipe: Any, story: DrawnStory) -> None:
    def again(before: DrawnStory = story, caption: str | None = None, seed: int = 0) -> np.ndarray:
        return pipe.redraw(before, 2, caption, seed=seed).frames[2]

    same = again()
    assert np.array_equal(same, again(caption=STORY[2]))
    assert not np.array_equal(same, again(seed=1))
    assert not np.array_equal(same, again(caption="Tolo sleeps in the forest."))
    changed = pipe.redraw(story, 0, "Zuki sleeps.")
    assert not np.array_equal(same, again(changed))


def test_it_says_what_was_drawn_again(pipe: Any, story: DrawnStory) -> None:
    after = pipe.redraw(pipe.redraw(story, 2, seed=5), 0, region=(5, 5, 6, 6), seed=6)
    assert after.about["redrawn"] == "frame 3 with seed 5; frame 1 inside 4,4,8,8 with seed 6"
    assert after.seed == story.seed == 1


_EDGE = st.integers(0, SIZE)


@settings(max_examples=15)
@given(box=st.tuples(_EDGE, _EDGE, _EDGE, _EDGE), frame=st.integers(0, 3))
def test_outside_a_region_nothing_changes(pipe: Any, story: DrawnStory, box: Any, frame: int) -> None:
    x0, y0, x1, y1 = box
    if x0 >= x1 or y0 >= y1:
        with pytest.raises(DataError, match=r"is empty|is not inside"):
            pipe.redraw(story, frame, region=box)
        return
    again = np.zeros((4, GRID, GRID), bool)  # by hand: a token is drawn again if one of its pixels lies in the box
    for row in range(GRID):
        for column in range(GRID):
            pixels = [(CELL * row + i, CELL * column + j) for i in range(CELL) for j in range(CELL)]
            again[frame, row, column] = any(y0 <= y < y1 and x0 <= x < x1 for y, x in pixels)
    after = pipe.redraw(story, frame, region=box, seed=2)
    keep = torch.from_numpy(~again)
    assert torch.equal(pipe.sampler.keep[0], keep)
    assert torch.equal(pipe.sampler.drawn.data[0][keep], tokens_of(pipe, story.frames)[keep])
    outside = ~np.kron(again, np.ones((1, CELL, CELL), bool))
    assert (after.frames == story.frames).all(1)[outside].all()
    mask = region_pixels(box, (SIZE, SIZE))
    assert np.array_equal(pipe.redraw(story, frame, region=mask, seed=2).frames, after.frames)


def test_what_is_drawn_of_a_region_is_what_the_tokenizer_decodes(pipe: Any, story: DrawnStory) -> None:
    after = pipe.redraw(story, 1, region=(0, 0, 8, 8), seed=2)
    with torch.no_grad():
        decoded = ((pipe.tokenizer.decode(pipe.sampler.drawn)[0, 1] + 1) * 127.5).round().numpy()
    assert np.array_equal(after.frames[1, :, :8, :8], decoded[:, :8, :8])


def test_a_region_grows_to_the_tokens_of_every_stage() -> None:
    frames = torch.zeros(2, 3, 16, 16, dtype=torch.uint8)
    kept = keep_outside(frames, 1, (5, 5, 6, 6), [(8, 8), (2, 4)])
    assert (~kept.pixels[0, 1]).nonzero().amin(0).tolist() == [0, 4]
    assert (~kept.pixels[0, 1]).nonzero().amax(0).tolist() == [7, 7]
    assert kept.drawn_box(1) == (4, 0, 8, 8)
    assert int((~kept.tokens((8, 8))).sum()) == 4 * 2
    assert int((~kept.tokens((2, 4))).sum()) == 1
    with pytest.raises(DataError, match="do not divide"):
        Kept(frames[None], kept.pixels).tokens((3, 4))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frame": 4}, "no frame 4: the story has 4"),
        ({"frame": -1}, "no frame -1"),
        ({"frame": 0, "caption": " "}, "caption 1 is empty"),
        ({"frame": 0, "region": (0, 0, 0, 4)}, "is empty"),
        ({"frame": 0, "region": (0, 0, 17, 4)}, "not inside a frame of 16x16"),
        ({"frame": 0, "region": (-1, 0, 4, 4)}, "not inside"),
        ({"frame": 0, "region": (8, 0, 4, 4)}, "not inside"),
        ({"frame": 0, "region": np.zeros((16, 16), bool)}, "the mask is empty"),
        ({"frame": 0, "region": np.ones((8, 8), bool)}, r"mask is bool of shape \(8, 8\)"),
        ({"frame": 0, "region": np.ones((16, 16))}, "mask is float64"),
    ],
)
def test_what_cannot_be_drawn_again(pipe: Any, story: DrawnStory, change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        pipe.redraw(story, **change)


def test_frames_that_do_not_fit(pipe: Any) -> None:
    wrong = [random_frames(1, size=(8, 8)), random_frames(1).astype(np.float32), random_frames(1)[:, :2]]
    for frames in wrong:
        with pytest.raises(DataError, match="given frame 1 is "):
            pipe(STORY, given=frames)
    with pytest.raises(DataError, match="the story has frames of shape"):
        pipe.redraw(DrawnStory(tuple(STORY), random_frames(4, size=(8, 8)), (), 0), 1)


@settings(max_examples=15)
@given(
    count=st.integers(1, 7),
    size=st.sampled_from([(16, 16), (64, 64), (30, 20), (7, 5)]),
    seed=st.integers(0, 2**40),
    word=st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20),
)
def test_a_saved_story_holds_its_frames_to_the_bit(
    tmp_path_factory: pytest.TempPathFactory, count: int, size: tuple[int, int], seed: int, word: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "kept.png"
    captions = tuple(f"{word} {n}" for n in range(count))
    DrawnStory(captions, random_frames(count, seed, size), (), seed, {"recipe": "r"}).save(path)
    again = DrawnStory.open(path)
    assert np.array_equal(again.frames, random_frames(count, seed, size))
    assert (again.captions, again.seed, again.about) == (captions, seed, {"recipe": "r"})


def test_files_that_are_no_story(story: DrawnStory, tmp_path: Path) -> None:
    path = tmp_path / "story.png"
    story.save(path)
    with Image.open(path) as image:
        texts = {"captions": "a\nb", "Software": "gst"}
        image.save(tmp_path / "resaved.png")
    (tmp_path / "short.png").write_bytes(path.read_bytes()[:600])
    (tmp_path / "no.png").write_text("no picture")
    data = bytearray(path.read_bytes())
    data[data.index(b"gsTF") + 40] ^= 1
    (tmp_path / "flipped.png").write_bytes(data)
    for name, message in [
        ("resaved.png", "is no story that gst wrote"),
        ("short.png", "cannot be read"),
        ("no.png", "cannot be read"),
        ("flipped.png", "cannot be read"),
        ("missing.png", "cannot be read"),
    ]:
        with pytest.raises(DataError, match=message):
            DrawnStory.open(tmp_path / name)
    from gst.pictures import write_png

    write_png(tmp_path / "strip.png", random_frames(1)[0], texts)
    with pytest.raises(DataError, match="without the frames as they were drawn"):
        read_frames([tmp_path / "strip.png"], (SIZE, SIZE), print)


def save(frame: np.ndarray, path: Path) -> Path:
    to_image(frame).save(path)
    return path


def test_pictures_become_frames(story: DrawnStory, tmp_path: Path) -> None:
    said: list[str] = []
    frames = random_frames(3)
    (tmp_path / "folder").mkdir()
    for number, frame in zip((10, 20, 30), frames, strict=True):
        save(frame, tmp_path / "folder" / f"{number}.png")
    (tmp_path / "folder" / "notes.txt").write_text("not a picture")
    story.save(tmp_path / "story.png")
    paths = [tmp_path / "folder" / "30.png", tmp_path / "story.png", tmp_path / "folder"]
    read = read_frames(paths, (SIZE, SIZE), said.append)
    assert np.array_equal(read, np.concatenate([frames[2:], story.frames, frames]))
    assert not said
    large = np.kron(frames[0], np.ones((1, 4, 4), np.uint8))
    read = read_frames([save(large, tmp_path / "large.png")], (SIZE, SIZE), said.append)
    assert read.shape == (1, 3, SIZE, SIZE)
    assert said == [f"{tmp_path / 'large.png'}: resized from 64x64 to 16x16 pixels"]
    assert len(read_frames([], (SIZE, SIZE), said.append)) == 0


def test_pictures_that_are_no_frames(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    save(random_frames(1, size=(16, 20))[0], tmp_path / "wide.png")
    Image.new("RGBA", (16, 16), (1, 2, 3, 99)).save(tmp_path / "glass.png")
    Image.fromarray(np.zeros((16, 16), np.uint16)).save(tmp_path / "deep.png")
    for name, message in [
        ("empty", "has no picture"),
        ("bad.png", "cannot be read as a picture"),
        ("none.png", "cannot be read as a picture"),
        ("wide.png", "has 20x16 pixels; this model's frames have 16x16"),
        ("glass.png", "transparent"),
        ("deep.png", "mode I;16"),
    ]:
        with pytest.raises(DataError, match=message):
            read_frames([tmp_path / name], (SIZE, SIZE), print)


@settings(max_examples=30)
@given(size=st.integers(1, 40), seed=st.integers(0, 99))
def test_every_white_pixel_of_a_mask_counts(tmp_path_factory: Any, size: int, seed: int) -> None:
    path = tmp_path_factory.getbasetemp() / "mask.png"
    white = np.random.default_rng(seed).random((size, size)) < 2 / size**2
    Image.fromarray((white * 255).astype(np.uint8)).save(path)
    mask = np.zeros((SIZE, SIZE), bool)
    for y, x in np.argwhere(white):  # pixel (y, x) of the mask covers [y, y + 1) * 16 / size of the frame's rows
        for i in range(SIZE):
            for j in range(SIZE):
                rows = i * size < (y + 1) * SIZE and y * SIZE < (i + 1) * size
                mask[i, j] |= rows and j * size < (x + 1) * SIZE and x * SIZE < (j + 1) * size
    assert np.array_equal(read_mask(path, (SIZE, SIZE), lambda line: None), mask)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """`call(pipe, "--captions", ...)`: `gst sample run ...` with `pipe` as the run."""
    from gst.cli.main import main

    def run(pipe: StoryPipeline, *arguments: Any) -> tuple[int, str, str]:
        monkeypatch.setattr("gst.loading.load", lambda source: pipe)
        monkeypatch.setattr("signal.signal", lambda *_: None)
        with pytest.raises(SystemExit) as end:
            main(["sample", "run", *(str(a) for a in arguments)])
        out = capsys.readouterr()
        return int(end.value.code or 0), out.out, out.err

    return run


def test_gst_sample_goes_on_and_draws_again(pipe: Any, call: Any, tmp_path: Path) -> None:
    captions, one, two, three = (tmp_path / n for n in ("story.txt", "one.png", "two.png", "three.png"))
    captions.write_text("\n".join(STORY))
    frames = random_frames(2)
    pictures = [save(frame, tmp_path / f"{n}.png") for n, frame in enumerate(frames)]
    given_options = ["--given", pictures[0], "--given", pictures[1]]
    code, _, err = call(pipe, "--captions", captions, *given_options, "--seed", 3, "--out", one)
    assert code == 0, err
    assert "2 frames are given and stay as they are\n" in err
    first = DrawnStory.open(one)
    assert np.array_equal(first.frames[:2], frames)
    assert np.array_equal(first.frames, pipe(STORY, given=frames, seed=3).frames)

    code, out, err = call(pipe, "--story", one, "--redraw", 3, "Zuki sleeps.", "--out", two, "--json")
    assert code == 0, err
    assert "frame 3: Zuki" in err
    assert json.loads(out)["redrawn"] == "frame 3 with seed 0"
    second = DrawnStory.open(two)
    assert np.array_equal(second.frames, pipe.redraw(first, 2, "Zuki sleeps.").frames)
    assert second.captions[2] == "Zuki sleeps."

    Image.fromarray(np.kron(region_pixels((4, 4, 8, 8), (16, 16)), np.full((4, 4), 255, np.uint8))).save(
        tmp_path / "mask.png"
    )
    by_mask = ["--story", two, "--redraw", 3, "--mask", tmp_path / "mask.png", "--seed", 1, "--out", three]
    code, _, err = call(pipe, *by_mask)
    assert code == 0, err
    assert "resized from 64x64 to 16x16" in err
    third = DrawnStory.open(three)
    code, _, err = call(pipe, "--story", two, "--redraw", 3, "--region", "5,5,7,7", "--seed", 1, "--out", two)
    assert code == 0, err
    assert np.array_equal(DrawnStory.open(two).frames, third.frames)
    assert third.captions == second.captions


def test_gst_sample_says_where_nothing_is_seen(call: Any, tmp_path: Path) -> None:
    blind = make_pipe(("full", "self"))
    (tmp_path / "story.txt").write_text("\n".join(STORY))
    picture = save(random_frames(1)[0], tmp_path / "f.png")
    out = tmp_path / "s.png"
    code, _, err = call(blind, "--captions", tmp_path / "story.txt", "--given", picture, "--out", out)
    assert code == 0
    assert "1 frame is given and stays as it is; this model draws every frame from the captions alone" in err
    assert "this model draws" in call(blind, "--story", out, "--redraw", 1, "--out", tmp_path / "t.png")[2]


@pytest.mark.parametrize(
    "case",
    [
        (["--redraw", "3"], 2, "--redraw needs the story"),
        (["--story", "{story}", "--captions", "{captions}"], 2, "--redraw is missing"),
        (["--captions", "{captions}", "--region", "0,0,4,4"], 2, "--region is for drawing a frame again"),
        (["--captions", "{captions}", "--mask", "m.png"], 2, "--mask is for drawing a frame again"),
        (["Bobo sleeps.", "--captions", "{captions}"], 2, "CAPTION is for drawing a frame again"),
        (["--story", "{story}", "--redraw", "3", "--given", "f.png"], 2, "--captions and --given draw a story"),
        (["--story", "{story}", "--redraw", "3", "--region", "0,0,4,4", "--mask", "m.png"], 2, "give one of them"),
        (["--story", "{story}", "--redraw", "3", "--region", "0,0,4"], 2, "is not x0,y0,x1,y1"),
        (["--story", "{story}", "--redraw", "3", "--region", "a,b,c,d"], 2, "is not x0,y0,x1,y1"),
        (["--story", "{story}", "--redraw", "0"], 2, "redraw"),
        (["--story", "{story}", "--redraw", "5"], 1, "has 4 frames; --redraw 5"),
        (["--story", "{story}", "--redraw", "3", "--region", "0,0,0,4"], 1, "is empty"),
        (["--story", "{story}", "--redraw", "3", "--region", "8,8,20,20"], 1, "is not inside a frame of 16x16"),
        (["--story", "{story}", "--redraw", "3", "--mask", "{captions}"], 1, "cannot be read as a picture"),
        (["--story", "{captions}", "--redraw", "3"], 1, "cannot be read as a picture"),
        (["--captions", "{captions}", "--given", "{story}"], 1, "4 frames are given for 4 captions"),
        (["--captions", "{captions}", "--given", "nowhere.png"], 1, "cannot be read as a picture"),
    ],
)
def test_gst_sample_mistakes(case: Any, pipe: Any, story: DrawnStory, call: Any, tmp_path: Path) -> None:
    arguments, code, message = case
    story.save(tmp_path / "story.png")
    (tmp_path / "story.txt").write_text("\n".join(STORY))
    places = {"story": tmp_path / "story.png", "captions": tmp_path / "story.txt"}
    found, out, err = call(pipe, *(a.format(**places) for a in arguments), "--out", tmp_path / "out.png")
    assert (found, out) == (code, ""), err
    assert message in err
    assert not (tmp_path / "out.png").exists()


def test_a_story_is_not_overwritten_unasked(
    pipe: Any, story: DrawnStory, call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    story.save("story.png")
    code, _, err = call(pipe, "--story", "story.png", "--redraw", "3")
    assert code == 2
    assert "story.png is the story to be changed" in err
    assert np.array_equal(DrawnStory.open("story.png").frames, story.frames)


def sample_step(pipe: StoryPipeline, data: StorySet, context: Any, **options: Any) -> Pictures:
    parts = {"prior": pipe.prior, "tokenizer": pipe.tokenizer, "sampler": pipe.sampler}
    pictures: Pictures = Sample(data=data, **parts, **options).run(context)["pictures"]
    return pictures


@pytest.fixture(scope="module")
def split() -> StorySet:
    found: StorySet = gst.build("dataset", "story-world", size=SIZE, train=1, test=3).split("test")
    return found


def test_the_sample_step_gives_real_frames(pipe: Any, split: StorySet, step_context: Any, tmp_path: Path) -> None:
    pictures = sample_step(pipe, split, step_context("a"), given_frames=2, batch_size=2)
    for index, frames in enumerate(pictures.frames):
        assert np.array_equal(frames[:2], split[index].frames[:2])
        assert not np.array_equal(frames[2:], split[index].frames[2:])
    assert pictures.about["given_frames"] == 2
    assert pictures.drawn is not None
    assert pictures.drawn.tolist() == 3 * [[False, False, True, True, True]]
    pictures.save(tmp_path)
    assert np.array_equal(Pictures.load(tmp_path).drawn, pictures.drawn)
    alone = sample_step(pipe, split, step_context("b"), given_frames=2, batch_size=1, stories=2)
    assert np.abs(alone.frames.astype(int) - pictures.frames[:2]).max() <= 1
    free = sample_step(pipe, split, step_context("c"), batch_size=2)
    assert free.drawn is None
    assert "given_frames" not in free.about


def test_the_sample_step_refuses_what_leaves_nothing(pipe: Any, split: StorySet, step_context: Any) -> None:
    with pytest.raises(DataError, match=r"given_frames is 5, and story 0 of split 'test' has 5 frames"):
        sample_step(pipe, split, step_context(), given_frames=5)
    parts = {"prior": pipe.prior, "tokenizer": pipe.tokenizer, "sampler": pipe.sampler, "data": split}
    with pytest.raises(OptionError, match="given_frames is -1"):
        gst.build("step", "sample", given_frames=-1, **parts)


class Difference(Metric):
    """Mean distance of frames to the real ones, and how many of them were counted."""

    def __init__(self) -> None:
        self.directions = {"difference": "down", "counted": None}
        self.reset()

    def reset(self) -> None:
        self.rows: list[tuple[float, float]] = []

    def update(self, batch: StoryBatch, frames: torch.Tensor) -> None:
        assert batch.frames is not None
        for mask, drawn, real in zip(batch.frame_mask, frames, batch.frames, strict=True):
            self.rows.append((float((drawn - real)[mask].abs().sum()), float(mask.sum())))

    def compute(self, rows: Any = None) -> dict[str, float]:
        table = np.array(self.rows)[slice(None) if rows is None else np.asarray(rows)].sum(0)
        return {"difference": table[0] / table[1], "counted": table[1]}

    def signature(self) -> dict[str, Any]:
        return {"metric": "difference"}


def test_given_frames_are_scored_of_no_pictures(pipe: Any, split: StorySet, step_context: Any) -> None:
    given_two = sample_step(pipe, split, step_context("a"), given_frames=2)
    given_one = sample_step(pipe, split, step_context("b"), given_frames=1)
    other = sample_step(pipe, split, step_context("c"))
    pictures = {"model": given_one, "two": given_two, "other": other}
    step = Evaluate(data=split, pictures=pictures, metrics=[Difference()], bootstrap=5, batch_size=2)
    table = step.run(step_context("scores"))["table"]
    value = {(row["metric"], row["of"]): row["value"] for row in table.rows}
    for name, drawn in pictures.items():
        apart = np.abs(drawn.frames[:, 2:] / 127.5 - np.stack([split[i].frames for i in range(3)])[:, 2:] / 127.5)
        assert value["difference", name] == pytest.approx(apart.sum() / 9, rel=1e-4)
    assert {v for (metric, _), v in value.items() if metric == "counted"} == {9}
    assert table.about["frames"] == 9
    assert table.about["not_scored"] == "frames given to model, two"
    assert all(row["signature"]["not_scored"] == table.about["not_scored"] for row in table.rows)
    assert next(r for r in table.rows if r["of"] == "two")["signature"]["pictures"]["given_frames"] == 2
    plain = Evaluate(data=split, pictures={"other": other}, metrics=[Difference()], bootstrap=0).run(step_context("p"))
    assert plain["table"].about["frames"] == 15
    assert "not_scored" not in plain["table"].about
