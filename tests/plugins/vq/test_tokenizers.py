from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import gst
from gst.batch import StoryBatch
from gst.errors import CheckpointError, DataError, OptionError
from gst.latents import Latents
from gst_vq.vqgan import VQGAN
from gst_vq.vqvae import VQVAE

Pictures = Callable[..., Tensor]
CLASSES = [VQVAE, VQGAN]
TINY: dict[str, Any] = {
    "downsample": 4,
    "widths": (16,),
    "blocks": 1,
    "decoder_blocks": 1,
    "codebook_size": 12,
    "code_dim": 8,
}
TINY_GAN: dict[str, Any] = {"disc_start": 2, "disc_width": 8, "disc_layers": 1}


def tiny(cls: type[VQVAE], size: tuple[int, int] = (16, 16), **options: Any) -> VQVAE:
    torch.manual_seed(0)
    return cls(frame_size=size, **(TINY | (TINY_GAN if cls is VQGAN else {}) | options))


def optimizers(model: VQVAE, rate: float = 2e-3) -> list[torch.optim.Optimizer]:
    return [torch.optim.Adam(phase.parameters, rate) for phase in model.phases()]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("size", "downsample", "stem", "widths", "grid"),
    [
        ((64, 64), 4, 4, (8, 16), (16, 16)),
        ((64, 64), 8, 4, (8, 16), (8, 8)),
        ((64, 64), 16, 4, (8, 16), (4, 4)),
        ((64, 64), 16, 1, (8, 8, 8, 8, 16), (4, 4)),
        ((64, 64), 64, 4, (8, 16), (1, 1)),
        ((48, 64), 8, 2, (8, 8, 16), (6, 8)),
        ((96, 64), (12, 8), 4, (8, 16), (8, 8)),
        ((30, 45), (5, 9), 1, (8, 8), (6, 5)),
        ((24, 24), 6, 1, (8, 8, 8, 8), (4, 4)),
        ((16, 16), 1, 1, (8,), (16, 16)),
    ],
)
@pytest.mark.parametrize("cls", CLASSES)
def test_any_grid_that_divides_the_frame(
    *,
    cls: type[VQVAE],
    size: tuple[int, int],
    downsample: int | tuple[int, int],
    stem: int,
    widths: tuple[int, ...],
    grid: tuple[int, int],
) -> None:
    model = tiny(cls, size, downsample=downsample, stem_stride=stem, widths=widths)
    spec = model.eval().spec
    assert (spec.kind, spec.grid, spec.vocab, spec.frame_size) == ("ids", grid, 12, size)
    latents = model.encode(torch.rand(1, 2, 3, *size) * 2 - 1)
    assert latents.data.shape == (1, 2, *grid)
    assert latents.data.dtype == torch.int64
    assert latents.spec == spec
    assert model.decode(latents).shape == (1, 2, 3, *size)


@pytest.mark.parametrize(
    "options",
    [{"norm": "group"}, {"norm": "layer"}, {"norm": "none"}, {"attention": True, "middle": True}, {"blocks": (0,)}],
)
def test_variants_of_the_network_train(options: dict[str, Any], pictures: Pictures, step_through: Any) -> None:
    model = tiny(VQVAE, **options)
    log = step_through(model, [[pictures(4)]], seeded(), optimizers(model))
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert log[0]["main/loss"] > 0


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("codebook", ["ema", "gradient"])
@pytest.mark.parametrize("cosine", [False, True])
def test_loss_falls(cls: type[VQVAE], codebook: str, cosine: bool, pictures: Pictures, step_through: Any) -> None:
    late = {"disc_start": 55} if cls is VQGAN else {}
    model = tiny(cls, codebook=codebook, cosine=cosine, decay=0.9, revive_below=0.1, **late)
    frames = pictures(8)
    log = step_through(model, [[frames]] * 60, seeded(), optimizers(model, 4e-3))
    name = model.phases()[0].name
    assert log[-1][f"{name}/l1"] < 0.6 * log[0][f"{name}/l1"]
    assert 0 < log[-1]["usage"] <= 1
    assert 1 <= log[-1]["perplexity"] <= 12
    drawn = model.eval().decode(model.encode(frames))
    blank = (frames - frames.mean()).abs().mean()
    assert (drawn - frames).abs().mean() < 0.75 * blank


@pytest.mark.parametrize("cls", CLASSES)
def test_resuming_ends_in_the_same_bits(cls: type[VQVAE], pictures: Pictures, step_through: Any) -> None:
    frames = pictures(12)
    options = {"decay": 0.5, "revive_below": 0.5}
    batches = [[frames[i : i + 2], frames[i + 2 : i + 4]] for i in (0, 4, 8, 0, 4, 8)]

    def finish(model: VQVAE) -> dict[str, Tensor]:
        return {name: value.clone() for name, value in model.state_dict().items()}

    straight = tiny(cls, **options)
    generator = seeded()
    log = step_through(straight, batches, generator, optimizers(straight))
    assert any(row["revived"] for row in log[3:])

    stopped = tiny(cls, **options)
    optimizing, generator = optimizers(stopped), seeded()
    step_through(stopped, batches[:3], generator, optimizing)
    resumed = tiny(cls, **options)
    resumed.load_state_dict(stopped.state_dict())
    again = optimizers(resumed)
    for new, old in zip(again, optimizing, strict=True):
        new.load_state_dict(old.state_dict())
    generator_again = torch.Generator()
    generator_again.set_state(generator.get_state())
    step_through(resumed, batches[3:], generator_again, again, first=3)

    ends = finish(resumed)
    for name, value in finish(straight).items():
        assert torch.equal(value, ends[name]), name


@pytest.mark.parametrize("cls", CLASSES)
def test_padding_frames_do_not_matter(cls: type[VQVAE], pictures: Pictures, batch_of: Any) -> None:
    frames = pictures(6).view(2, 3, 3, 16, 16)
    mask = torch.tensor([[True, True, True], [True, False, False]])
    garbage = frames.clone()
    garbage[~mask] = torch.nan
    alone = frames[mask][:, None]

    def run(batch: StoryBatch) -> list[Tensor]:
        model = tiny(cls).train()
        losses = [model.loss(batch, phase.name, 5, seeded())["loss"] for phase in model.phases()]
        losses[0].backward()
        model.after_step(5, seeded())
        return [*losses, *(p.grad for p in model.autoencoder.parameters() if p.grad is not None), *model.buffers()]

    for ours, reference in zip(run(batch_of(garbage, mask)), run(batch_of(alone)), strict=True):
        assert torch.equal(ours, reference)


def test_encode_is_the_same_for_any_grouping_and_mode(pictures: Pictures) -> None:
    model = tiny(VQVAE)
    frames = pictures(6)
    together = model.eval().encode(frames).data
    assert torch.equal(model.train().encode(frames).data, together)
    assert torch.equal(torch.cat([model.encode(frame[None]).data for frame in frames]), together)
    assert model.after_step(0, seeded()) == {}


def test_decode_is_clipped_and_has_no_gradient() -> None:
    model = tiny(VQVAE)
    with torch.no_grad():
        model.autoencoder.decoder.last.weight.mul_(1e3)
    drawn = model.decode(Latents(torch.randint(12, (1, 1, 4, 4)), model.spec))
    assert drawn.dtype == torch.float32
    assert (drawn.min(), drawn.max()) == (-1, 1)
    assert not drawn.requires_grad


def test_embed_gives_the_codebook() -> None:
    model = tiny(VQVAE, cosine=True)
    vectors = model.embed(torch.arange(12).view(3, 4))
    assert vectors.shape == (3, 4, 8)
    torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(3, 4))


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("codebook", ["ema", "gradient"])
def test_saved_and_loaded(
    cls: type[VQVAE], codebook: str, tmp_path: Path, pictures: Pictures, step_through: Any
) -> None:
    model, frames = tiny(cls, codebook=codebook), pictures(4)
    step_through(model, [[frames]] * 2, seeded(), optimizers(model))
    model.save_state(tmp_path)
    torch.manual_seed(9)
    other = cls(frame_size=(16, 16), codebook=codebook, **(TINY | (TINY_GAN if cls is VQGAN else {})))
    other.load_state(tmp_path)
    assert torch.equal(other.eval().encode(frames).data, model.eval().encode(frames).data)
    latents = model.encode(frames)
    assert torch.equal(other.decode(latents), model.decode(latents))
    assert other.autoencoder.codebook.started
    with pytest.raises(CheckpointError):
        tiny(cls, code_dim=16).load_state(tmp_path)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"downsample": 7}, "downsample"),
        ({"downsample": 0}, "downsample"),
        ({"downsample": (8, 3)}, "downsample"),
        ({"stem_stride": 3}, "stem_stride"),
        ({"widths": ()}, "widths"),
        ({"downsample": 8}, "widths"),
        ({"blocks": (1, 1)}, "blocks"),
        ({"decoder_blocks": -1}, "decoder_blocks"),
        ({"decay": 1.0}, "decay"),
        ({"codebook_size": 0}, "codebook_size"),
        ({"code_dim": 0}, "code_dim"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], name: str) -> None:
    with pytest.raises(OptionError) as caught:
        gst.build("tokenizer", "vqvae", frame_size=(16, 16), **(TINY | options))
    assert any(problem.where.endswith(name) for problem in caught.value.problems)


def test_frames_of_another_size_are_refused() -> None:
    with pytest.raises(DataError, match=r"32 x 16 pixels.*16 x 16"):
        tiny(VQVAE).encode(torch.zeros(1, 1, 3, 32, 16))


def test_small_and_thesis_sizes() -> None:
    import timm

    def millions(module: torch.nn.Module) -> float:
        return sum(parameter.numel() for parameter in module.parameters()) / 1e6

    with torch.device("meta"):
        thesis = VQGAN(
            frame_size=(64, 64),
            widths=(64, 128, 128, 256),
            stem_stride=1,
            blocks=2,
            decoder_blocks=3,
            middle=True,
            attention=True,
            norm="group",
            codebook_size=128,
            code_dim=256,
        )
        vgg = timm.create_model("vgg16.tv_in1k", features_only=True, out_indices=(0, 1, 2, 3, 4))
    # The thesis' 35 M is what its code reports: autoencoder, discriminator and the VGG-16 of LPIPS.
    assert 17 < millions(thesis.autoencoder) < 19
    assert 2.7 < millions(thesis.discriminator) < 2.8
    assert 33 < millions(thesis) + millions(vgg) < 37
