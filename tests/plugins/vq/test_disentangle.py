from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import gst
from gst.artifacts import Pictures
from gst.batch import collate, to_uint8
from gst.errors import OptionError
from gst.kinds import Dataset, Step
from gst_vq.dual_vqgan import DualVQGAN

OPTIONS: dict[str, Any] = {"downsample": 8, "widths": [16], "stem_stride": 8, "codebook_size": 12, "code_dim": 8}


@pytest.fixture(scope="module")
def data() -> Dataset:
    made = gst.build("dataset", "story-world", size=32, train=8, val=4, test=4)
    assert isinstance(made, Dataset)
    return made


def tokenizer(data: Dataset, use: str = "dual-vqgan", **bound: Any) -> Any:
    torch.manual_seed(0)
    options = {**OPTIONS, "disc_weight": 0.0, "init": "random"}
    return gst.build("tokenizer", use, frame_size=data.frame_size, **bound, **options)


def step(**options: Any) -> Step:
    made = gst.build("step", "disentangle", **options)
    assert isinstance(made, Step)
    return made


def test_each_library_alone(data: Dataset, step_context: Callable[..., Any]) -> None:
    model, split = tokenizer(data, cast=data.cast), data.split("test")
    assert isinstance(model, DualVQGAN)
    drawn = step(tokenizer=model, data=split, stories=3, batch_size=2).run(step_context("apart"))
    batch = collate([split[i] for i in range(3)])
    assert batch.frames is not None
    latents = model.encode_each(batch.frames)
    assert latents[0].data.max() < 12 <= latents[1].data.min()
    mixed = model.encode_stories(batch).data
    for name, alone in zip(("background", "characters"), latents, strict=True):
        pictures = drawn[name]
        assert isinstance(pictures, Pictures)
        assert (pictures.ids, pictures.source) == ([split[i].id for i in range(3)], split.fingerprint())
        assert pictures.about["library"] == name
        assert (torch.from_numpy(pictures.frames.copy()).int() - to_uint8(model.decode(alone)).int()).abs().max() <= 1
        share = (mixed == alone.data).float().mean()
        assert 0 < share < 1
    assert (drawn["background"].frames != drawn["characters"].frames).any()
    estimate = step(tokenizer=model, data=split, stories=3).probe(step_context("probe"))
    assert estimate is not None
    assert estimate.disk == 2 * 2 * 3 * split[0].frames.nbytes


def test_it_wants_two_libraries(data: Dataset) -> None:
    with pytest.raises(OptionError, match="DualVQGAN"):
        step(tokenizer=tokenizer(data, "vqgan"), data=data.split("test"))
