"""Recipes with critics: from captions to pictures, checked, loaded and handed out."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

import gst
from gst.errors import RecipeError
from gst.exporting import export
from gst.progress import Progress
from gst.recipe.load import load_recipe
from gst.runtime import Runtime
from gst.signatures import weights_hash

SMALL = {"dim": 16, "heads": 2, "head_dim": 8}
STORY = ["Bobo is in the forest.", "It sleeps."]


def recipe(base: dict[str, Any], kind: str) -> dict[str, Any]:
    """The tiny recipe with a critic in its sampler; what it shares with the other tests is in the store."""
    made = copy.deepcopy(base)
    components, steps = made["components"], made["steps"]
    steps.pop("rebuild")
    steps.pop("report")
    sampler = {"use": "maskgit", "steps": 3, "guidance": {"use": "character", "scale": 0.3}}
    if kind == "token-critic":
        components["critic"] = {
            "use": kind,
            "prior": "$train.model",
            "layers": ["full", "self"],
            "max_frames": 6,
            **SMALL,
        }
        steps["learn"] = {**steps["train"], "model": "$critic"}
        for name in ("preview", "preview_tokenizer", "preview_sampler"):
            del steps["learn"][name]
        components["judged"] = {**sampler, "critic": "$learn.model"}
    else:
        components["critic"] = {"use": kind, "prior": "$prior", "layers": 2, **SMALL}
        steps["train"] = {k: v for k, v in steps["train"].items() if not k.startswith("preview")} | {"model": "$critic"}
        steps["parts"] = {"use": "separate", "critic": "$train.model"}
        components["judged"] = {**sampler, "critic": "$parts.critic"}
        del components["sampler"]
        steps["sample"]["prior"] = "$parts.prior"
    steps["sample"]["sampler"] = "$judged"
    return made


@pytest.mark.parametrize("kind", ["token-critic", "character-critic"])
def test_a_run_with_a_critic_is_loaded_and_handed_out(tiny_recipe: Any, kind: str, tmp_path: Path) -> None:
    made = recipe(tiny_recipe, kind)
    run = gst.run_recipe(made, out=tmp_path / "run", probe=False, progress=Progress(quiet=True))
    here = Runtime(device="cpu", precision="fp32")
    pipe = gst.load(tmp_path / "run", runtime=here)
    critic = pipe.sampler.options["critic"]
    trained = run.outputs["learn.model" if kind == "token-critic" else "parts.critic"]
    assert weights_hash(critic) == weights_hash(trained)
    assert pipe.signature()["weights"]["critic"] == weights_hash(critic)
    assert pipe.signature()["weights"] == run.outputs["sample.pictures"].about["weights"]
    frames = pipe(STORY).frames

    export(pipe, tmp_path / "out", dtype=None)
    again = gst.load(tmp_path / "out", runtime=here)
    assert torch.equal(torch.tensor(again(STORY).frames), torch.tensor(frames))
    assert again.sampler.options["critic"].options["prior"] is None
    assert len(list((tmp_path / "out" / "sampler").rglob("*.safetensors"))) == 1

    export(pipe, tmp_path / "small")
    sizes = [(tmp_path / name / "sampler/options/critic/model.safetensors").stat().st_size for name in ("out", "small")]
    assert sizes[1] < 0.8 * sizes[0]
    assert gst.load(tmp_path / "small", runtime=here)(STORY).frames.shape == frames.shape


def problems(made: dict[str, Any]) -> str:
    with pytest.raises(RecipeError) as caught:
        load_recipe(made)
    return str(caught.value)


def test_check_knows_what_stands_behind_the_parts(tiny_recipe: Any) -> None:
    made = recipe(tiny_recipe, "token-critic")
    made["components"]["critic"]["prior"] = "$prior"
    assert "$prior is untrained here; trained it is $train.model" in problems(made)

    made = recipe(tiny_recipe, "character-critic")
    load_recipe(made)
    made["components"]["prior"]["drop_text_frame"] = 0.0
    assert "asks components.prior to do without text" in problems(made)
    made = recipe(tiny_recipe, "character-critic")
    made["components"]["judged"]["critic"] = "$critic"
    assert "$critic is untrained here" in problems(made)
