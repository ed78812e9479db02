"""From captions to frames: what a pipeline draws, refuses and says; saving, exporting and opening it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import gst
from gst.errors import CheckpointError, DataError, GstError, StoreError, UsageError
from gst.exporting import export, open_export
from gst.loading import load, of_run
from gst.matching import check_sampler
from gst.pictures import strip
from gst.pipeline import StoryPipeline
from gst.runtime import Runtime

STORY = ["Bobo stands on the beach.", "He meets Zuki.", "They run to the castle."]


def test_as_many_frames_as_captions(tiny_pipe: StoryPipeline) -> None:
    for count in (1, 2, 3):
        story = tiny_pipe(STORY[:count], seed=1)
        assert story.frames.shape == (count, 3, 16, 16)
        assert story.frames.dtype == np.uint8
        assert len(story.recognised) == len(story.captions) == count


def test_seed_captions_and_characters_decide_the_picture(tiny_pipe: StoryPipeline) -> None:
    one = tiny_pipe(STORY, seed=1).frames
    assert np.array_equal(one, tiny_pipe(STORY, seed=1).frames)
    assert not np.array_equal(one, tiny_pipe(STORY, seed=2).frames)
    assert not np.array_equal(one, tiny_pipe(["Bobo sleeps in the forest.", *STORY[1:]], seed=1).frames)
    told = tiny_pipe(STORY, seed=1, characters=[["Bobo"], ["Tolo", "Zuki"], []])
    assert not np.array_equal(one, told.frames)
    assert [r.characters for r in told.recognised] == [("Bobo",), ("Zuki", "Tolo"), ()]


def test_telling_what_the_captions_tell_changes_nothing(tiny_pipe: StoryPipeline) -> None:
    story = tiny_pipe(STORY, seed=1)
    told = tiny_pipe(STORY, seed=1, characters=[r.characters for r in story.recognised])
    assert np.array_equal(story.frames, told.frames)


def test_it_says_whom_it_recognised(tiny_pipe: StoryPipeline) -> None:
    seen = tiny_pipe.recognise(["Bobo and the frog meet a dragon.", "He runs away.", "A quiet xylophone."])
    assert [r.characters for r in seen] == [("Bobo", "Tolo"), ("Tolo",), ()]
    assert [str(r) for r in seen][1] == "He -> Tolo; not in this world: away"
    assert str(seen[0]).startswith("Bobo, frog -> Tolo; not in this world: ")
    assert "dragon" in seen[0].unknown
    assert "Bobo" not in seen[0].unknown
    assert str(seen[2]).startswith("nobody of the cast; not in this world: ")


def test_resolve_none_follows_no_pronoun(tiny_pipe: StoryPipeline) -> None:
    from dataclasses import replace

    from gst.recognition import recognise

    seen = recognise(replace(tiny_pipe.conditioner, resolve="none"), STORY)
    assert [r.characters for r in seen] == [("Bobo",), ("Zuki",), ()]
    assert all(m.kind != "pronoun" for r in seen for m in r.mentions)


def test_nobody_known_shows_cast_places_and_an_example(tiny_pipe: StoryPipeline) -> None:
    with pytest.raises(DataError, match="no line names a character") as error:
        tiny_pipe(["A dragon sleeps."])
    for text in ("Bobo", "Lurra", "castle", tiny_pipe.examples[0][0]):
        assert text in str(error.value)
    assert tiny_pipe(["A dragon sleeps."], any_text=True).frames.shape[0] == 1
    tiny_pipe(tiny_pipe.examples[0])


@pytest.mark.parametrize(
    ("captions", "message"),
    [
        ([], "there is no caption"),
        (["Bobo."] * 7, "at most 5 frames"),
        (["Bobo sits.", "  "], "caption 2 is empty"),
        (["Bobo sits.", "Bobo " * 200], "caption 2 is too long"),
        (["Bobo \x00 sits."], "caption 1 is not plain text"),
        (["Bobo \ud800 sits."], "caption 1 is not plain text"),
    ],
)
def test_captions_that_cannot_be_drawn(captions: list[str], message: str, tiny_pipe: StoryPipeline) -> None:
    with pytest.raises(DataError, match=message):
        tiny_pipe(captions)


def test_arguments_that_make_no_sense(tiny_pipe: StoryPipeline) -> None:
    with pytest.raises(UsageError, match="one string"):
        tiny_pipe("Bobo sits.")
    with pytest.raises(UsageError, match="1 entries for 3 captions"):
        tiny_pipe(STORY, characters=[["Bobo"]])
    with pytest.raises(DataError, match="frame 2: nobody is called 'Dragon'"):
        tiny_pipe(STORY, characters=[[], ["Dragon"], []])


_TEXT = st.text(max_size=80) | st.lists(
    st.sampled_from(["Bobo", "the frog", "he", "They", "it's", "🐻", "<b>", "ß", "naïve", "and", "\t", "熊"]),
    max_size=12,
).map(" ".join)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(captions=st.lists(_TEXT, min_size=0, max_size=7))
def test_any_captions_are_drawn_or_refused(captions: list[str], tiny_pipe: StoryPipeline, tmp_path: Path) -> None:
    try:
        story = tiny_pipe(captions, any_text=True)
    except GstError:
        return
    assert story.frames.shape[0] == len(captions)
    story.save(tmp_path / "story.png")
    with Image.open(tmp_path / "story.png") as image:
        image.load()
        assert image.text["captions"] == "\n".join(captions)


def test_a_saved_story_is_a_png_that_tells_how_it_was_drawn(tiny_pipe: StoryPipeline, tmp_path: Path) -> None:
    story = tiny_pipe(STORY, seed=7)
    story.save(tmp_path / "story.png")
    with Image.open(tmp_path / "story.png") as image:
        assert image.format == "PNG"
        assert image.text["seed"] == "7"
        assert image.text["recipe"] == "recipe"
        assert image.size == story.image().size
    assert [path.name for path in tmp_path.iterdir()] == ["story.png"]
    for bad in (tmp_path / "no" / "story.png", tmp_path):
        with pytest.raises(StoreError, match="cannot write"):
            story.save(bad)


def test_a_strip_holds_every_frame_enlarged_and_wraps_long_stories() -> None:
    frames = np.zeros((7, 3, 16, 16), np.uint8)
    frames[:, 0] = np.arange(7, dtype=np.uint8)[:, None, None] * 30 + 20
    image = strip(frames, ["word " * 40] * 7, width=64, columns=5)
    assert image.width == 5 * (64 + 8) + 8
    reds = np.asarray(image)[..., 0]
    flat = np.asarray(image)[..., 1:].max(2) == 0
    for shade in frames[:, 0, 0, 0]:
        assert (flat & (reds == shade)).sum() >= 0.9 * 64 * 64
    assert strip(frames[:1], width=64).size == (64 + 16, 64 + 16)


def test_exported_and_opened_again_it_draws_the_same(tiny_pipe: StoryPipeline, tmp_path: Path) -> None:
    story = tiny_pipe(STORY, seed=3)
    export(tiny_pipe, tmp_path / "whole", dtype=None)
    again = load(tmp_path / "whole", runtime=tiny_pipe.runtime)
    assert np.array_equal(again(STORY, seed=3).frames, story.frames)
    assert (again.places, again.examples) == (tiny_pipe.places, tiny_pipe.examples)
    assert again.signature() == tiny_pipe.signature()
    export(tiny_pipe, tmp_path / "half")
    half = open_export(tmp_path / "half", tiny_pipe.runtime)
    for name, weight in tiny_pipe.prior.state_dict().items():
        rounded = weight.bfloat16().float() if weight.is_floating_point() else weight
        assert torch.equal(half.prior.state_dict()[name], rounded)
    with pytest.raises(StoreError, match="exists"):
        export(tiny_pipe, tmp_path / "half")


def test_a_damaged_export_is_refused(tiny_pipe: StoryPipeline, tmp_path: Path) -> None:
    export(tiny_pipe, tmp_path / "p", dtype=None)
    weights = next((tmp_path / "p" / "prior").glob("*.safetensors"))
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    with pytest.raises(CheckpointError):
        load(tmp_path / "p")
    about = json.loads((tmp_path / "p" / "pipeline.json").read_text())
    (tmp_path / "p" / "pipeline.json").write_text(json.dumps({**about, "format": 99}))
    with pytest.raises(CheckpointError, match="format 99"):
        load(tmp_path / "p")
    (tmp_path / "p" / "pipeline.json").write_text("{")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load(tmp_path / "p")


def test_a_run_is_a_pipeline(tiny_run: Any) -> None:
    pipe = gst.load(tiny_run.dir, runtime=Runtime(device="cpu", precision="fp32"))
    drawn = tiny_run.outputs["sample.pictures"]
    assert "castle" in pipe.places
    assert len(pipe.examples) == 4
    data = tiny_run.option("sample", "data")
    condition = pipe.conditioner([drawn.ids[0]], [drawn.captions[0]], torch.ones(1, 5, dtype=torch.bool))
    again = pipe.draw(condition, seed=0)[0].numpy()
    assert np.abs(again.astype(int) - drawn.frames[0]).max() <= 1
    assert data[0].id == drawn.ids[0]


def test_what_is_no_pipeline(tiny_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="neither the folder of a run"):
        load(tmp_path)
    monkeypatch.chdir(tiny_run.dir.parent.parent)
    with pytest.raises(UsageError, match=r"no run, folder or weights 'dmo'.*'demo'"):
        load("dmo")


def test_a_recipe_without_output_has_no_pipeline(tiny_run: Any) -> None:
    from dataclasses import replace

    ref = tiny_run.recipe.output
    with pytest.raises(UsageError, match="has no output"):
        of_run(replace(tiny_run, recipe=replace(tiny_run.recipe, output=None)))
    with pytest.raises(UsageError, match="not drawn from captions"):
        of_run(replace(tiny_run, recipe=replace(tiny_run.recipe, output=replace(ref, name="rebuild"))))


def test_parts_that_do_not_fit(tiny_pipe: StoryPipeline) -> None:
    from dataclasses import replace

    other = gst.build("tokenizer", "vqvae", frame_size=(16, 16), widths=(8, 16), codebook_size=8, code_dim=8)
    with pytest.raises(UsageError, match="the prior models"):
        StoryPipeline(other, tiny_pipe.prior, tiny_pipe.sampler)
    cast, text = tiny_pipe.cast, tiny_pipe.conditioner.text
    assert text is not None
    shape: dict[str, Any] = {"dim": 16, "heads": 1, "head_dim": 8, "layers": ["self"]}
    bound = {"latents": tiny_pipe.prior.latents, "text": text.spec, "cast": cast}
    deaf = gst.build("prior", "maskgst", characters=False, **shape, **bound)
    with pytest.raises(UsageError, match="no conditioner"):
        StoryPipeline(tiny_pipe.tokenizer, deaf, tiny_pipe.sampler)
    with pytest.raises(UsageError, match="needs characters"):
        check_sampler(deaf, tiny_pipe.sampler)
    always = gst.build("prior", "maskgst", drop_text_frame=0.0, **shape, **bound)
    with pytest.raises(UsageError, match=r"do without text.*never learned"):
        check_sampler(always, tiny_pipe.sampler)
    deaf.conditioner = replace(tiny_pipe.conditioner, characters_from="none")
    free = StoryPipeline(tiny_pipe.tokenizer, deaf, gst.build("sampler", "maskgit", steps=2))
    assert free(STORY).frames.shape[0] == 3
    with pytest.raises(UsageError, match="without characters"):
        free(STORY, characters=[[], [], []])
