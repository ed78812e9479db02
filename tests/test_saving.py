"""Saved components: what comes back is what was saved, and what was damaged does not come back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import gst
from gst.cast import Cast, Character
from gst.checkpoint import MANIFEST, write_manifest
from gst.component import Component
from gst.conditioner import Conditioner
from gst.errors import CheckpointError, PluginError, UsageError
from gst.latents import LatentSpec
from gst.saving import COMPONENT, component_hash, load_component, save_component

CAST = Cast((Character("Bo", aliases=("bear",), pronouns=("he", "him")), Character("Mi")))
CAPTIONS = ["Bo walks to the lake.", "He swims with Mi.", "It rains."]


def tokenizer() -> Any:
    return gst.build("tokenizer", "vqvae", widths=[8, 16], blocks=1, codebook_size=8, code_dim=4, frame_size=(16, 16))


def text() -> Any:
    made = gst.build("text", "bpe", vocab_size=300, length=12)
    made.fit(CAPTIONS)
    return made


def prior(**options: Any) -> Any:
    words = text()
    made = gst.build(
        "prior",
        "maskgst",
        dim=16,
        heads=2,
        head_dim=8,
        layers=["full", "self"],
        latents=LatentSpec("ids", (2, 2), vocab=8, frame_size=(16, 16)),
        text=words.spec,
        cast=CAST,
        **options,
    )
    made.conditioner = Conditioner(words, CAST, characters_from="captions", resolve="antecedent")
    return made


def same_weights(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    first, second = a.state_dict(), b.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("make", [tokenizer, prior])
def test_a_trainable_comes_back_with_weights_options_and_bounds(make: Callable[[], Any], tmp_path: Path) -> None:
    made = make().train()
    save_component(made, tmp_path)
    back = load_component(tmp_path)
    assert type(back) is type(made)
    assert (back.kind, back.use, back.options) == (made.kind, made.use, made.options)
    assert same_weights(made, back)
    assert not back.training
    assert set(back.bound) == set(made.bound)


def test_a_prior_brings_its_conditioner(tmp_path: Path) -> None:
    made = prior()
    save_component(made, tmp_path)
    back: Any = load_component(tmp_path)
    assert (back.latents, back.text) == (made.latents, made.text)
    assert back.conditioner.describe() == made.conditioner.describe()
    ids, mask = ["a"], torch.ones(1, 3, dtype=torch.bool)
    before, after = (model.conditioner(ids, [CAPTIONS], mask) for model in (made, back))
    assert torch.equal(before.text.data, after.text.data)
    assert torch.equal(before.characters, after.characters)
    assert after.characters.tolist() == [[[True, False], [True, True], [False, False]]]


def test_a_prior_without_text(tmp_path: Path) -> None:
    made = prior()
    made.conditioner = Conditioner(None, CAST, characters_from="none")
    save_component(made, tmp_path)
    assert load_component(tmp_path).conditioner.text is None  # type: ignore[attr-defined]


def test_components_among_the_options_are_saved_with_them(tmp_path: Path) -> None:
    guidance = gst.build("guidance", "character", scale=0.3)
    sampler = gst.build("sampler", "maskgit", steps=3, guidance=guidance)
    save_component(sampler, tmp_path)
    assert (tmp_path / "options" / "guidance" / COMPONENT).exists()
    back = load_component(tmp_path)
    assert back.options["steps"] == 3
    assert back.options["guidance"].use == "character"
    assert back.options["guidance"].options == guidance.options


def test_bfloat16_halves_the_file_and_rounds_the_weights(tmp_path: Path) -> None:
    made = tokenizer()
    save_component(made, tmp_path / "full")
    save_component(made, tmp_path / "half", dtype="bf16")
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("full", "half")]
    assert sizes[1] < 0.6 * sizes[0]
    back: Any = load_component(tmp_path / "half")
    for name, tensor in back.state_dict().items():
        original = made.state_dict()[name]
        assert tensor.dtype == original.dtype
        rounded = original.bfloat16().to(original.dtype) if original.is_floating_point() else original
        assert torch.equal(tensor, rounded)


def test_the_hash_is_of_what_was_learned(tmp_path: Path) -> None:
    made = tokenizer()
    save_component(made, tmp_path / "a")
    save_component(made, tmp_path / "b")
    with torch.no_grad():
        next(made.parameters()).add_(1e-3)
    save_component(made, tmp_path / "c")
    hashes = [component_hash(tmp_path / name) for name in "abc"]
    assert hashes[0] == hashes[1] != hashes[2]
    about = json.loads((tmp_path / "b" / COMPONENT).read_text())
    (tmp_path / "b" / COMPONENT).write_text(json.dumps({**about, "version": "9"}))
    write_manifest(tmp_path / "b", {})
    assert component_hash(tmp_path / "b") == hashes[0]


# Damage


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-9] ^= 4
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("damage", [cut, flip, Path.unlink], ids=["cut", "flip", "remove"])
@pytest.mark.parametrize(
    "file",
    ["model.safetensors", COMPONENT, "conditioner/conditioner.json", "conditioner/text/tokenizer.json", MANIFEST],
)
def test_a_damaged_file_is_refused(tmp_path: Path, file: str, damage: Callable[[Path], None]) -> None:
    save_component(prior(), tmp_path)
    damage(tmp_path / file)
    with pytest.raises(CheckpointError) as caught:
        load_component(tmp_path)
    assert file.rsplit("/", maxsplit=1)[-1] in str(caught.value)


def test_weights_swapped_with_those_of_another_are_refused(tmp_path: Path) -> None:
    save_component(tokenizer(), tmp_path / "a")
    save_component(tokenizer(), tmp_path / "b")
    shutil.copy(tmp_path / "b" / "model.safetensors", tmp_path / "a" / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        load_component(tmp_path / "a")


def edit(folder: Path, **changes: Any) -> None:
    """Change component.json as somebody would who also makes the manifest fit."""
    path = folder / COMPONENT
    about = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in about.items() if value is not None}))
    write_manifest(folder, {})


def test_weights_of_other_options_are_refused(tmp_path: Path) -> None:
    save_component(tokenizer(), tmp_path)
    options = json.loads((tmp_path / COMPONENT).read_text())["options"]
    edit(tmp_path, options={**options, "codebook_size": 16})
    with pytest.raises(CheckpointError, match="does not hold the weights of tokenizer 'vqvae'"):
        load_component(tmp_path)


def test_another_format_says_what_to_do(tmp_path: Path) -> None:
    save_component(tokenizer(), tmp_path)
    edit(tmp_path, format=7)
    with pytest.raises(CheckpointError, match=r"format 7[\s\S]*update gst-story"):
        load_component(tmp_path)


@pytest.mark.parametrize("missing", ["kind", "use", "options", "dist"])
def test_an_incomplete_description_is_refused(tmp_path: Path, missing: str) -> None:
    save_component(tokenizer(), tmp_path)
    edit(tmp_path, **{missing: None})
    with pytest.raises(CheckpointError, match="damaged"):
        load_component(tmp_path)


def test_a_missing_plugin_is_named(tmp_path: Path) -> None:
    save_component(tokenizer(), tmp_path)
    edit(tmp_path, use="vqvae-of-a-stranger", dist="gst-stranger", version="2.0")
    with pytest.raises(PluginError, match=r"needs gst-stranger \(it was written by 2\.0\)"):
        load_component(tmp_path)


def test_a_pickle_in_place_of_weights_is_not_opened(tmp_path: Path) -> None:
    save_component(tokenizer(), tmp_path)
    torch.save({"x": torch.zeros(1)}, tmp_path / "model.safetensors")
    write_manifest(tmp_path, {})
    with pytest.raises(CheckpointError):
        load_component(tmp_path)


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=MANIFEST):
        load_component(tmp_path)


def test_a_component_without_a_name_cannot_be_saved(tmp_path: Path) -> None:
    class Nameless(Component):
        kind = "tokenizer"

    with pytest.raises(UsageError, match=r"gst\.build"):
        save_component(Nameless(), tmp_path)


def test_bfloat16_keeps_the_names_of_tied_weights(tmp_path: Path) -> None:
    """safetensors notes in the metadata which names share a tensor; the model cannot be loaded without."""
    made = tokenizer()
    names = [name for name, p in made.named_parameters() if p.ndim == 1]
    tied = next(b for b in names[1:] if made.get_parameter(b).shape == made.get_parameter(names[0]).shape)
    owner, _, leaf = tied.rpartition(".")
    setattr(made.get_submodule(owner), leaf, made.get_parameter(names[0]))
    save_component(made, tmp_path, dtype="bf16")
    model = tokenizer()
    setattr(model.get_submodule(owner), leaf, model.get_parameter(names[0]))
    model.load_state(tmp_path)
    assert torch.equal(model.get_parameter(tied), made.get_parameter(tied).bfloat16().float())
