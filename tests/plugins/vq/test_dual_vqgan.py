from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import gst
from gst.batch import StoryBatch
from gst.cast import Cast, Character
from gst.errors import DataError
from gst.latents import Latents, LatentSpec
from gst.saving import load_component, save_component
from gst_vq.dual_vqgan import DualVQGAN

Pictures = Callable[..., Tensor]
CAST = Cast([Character("Ann"), Character("Bob"), Character("Cleo")])
OPTIONS: dict[str, Any] = {
    "downsample": 4,
    "widths": [16],
    "blocks": 1,
    "decoder_blocks": 1,
    "codebook_size": 12,
    "code_dim": 8,
    "disc_start": 0,
    "disc_width": 8,
    "disc_layers": 1,
}


def tiny(**options: Any) -> DualVQGAN:
    torch.manual_seed(0)
    made = gst.build("tokenizer", "dual-vqgan", frame_size=(16, 16), cast=CAST, **{**OPTIONS, **options})
    assert isinstance(made, DualVQGAN)
    return made.train()


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def stories(frames: Tensor, valid: Tensor | None = None) -> StoryBatch:
    """Frames (B, T, 3, 16, 16) with random characters, and masks that cover about half of the grid."""
    generator = torch.Generator().manual_seed(5)
    b, t = frames.shape[:2]
    cells = torch.rand(b, t, 4, 4, generator=generator) < 0.5
    return StoryBatch(
        ids=tuple(map(str, range(b))),
        captions=[[""] * t for _ in range(b)],
        frame_mask=torch.ones(b, t, dtype=torch.bool) if valid is None else valid,
        frames=frames,
        characters=torch.rand(b, t, len(CAST), generator=generator) < 0.4,
        extras={"mask": cells.repeat_interleave(4, 2).repeat_interleave(4, 3)},
    )


def test_it_says_that_it_has_two_libraries() -> None:
    assert tiny().spec == LatentSpec("ids", (4, 4), vocab=24, frame_size=(16, 16), libraries=2)


def test_codes_against_a_loop_over_places(pictures: Pictures) -> None:
    """Each place: its vector through its library's filter, the nearest code there, and only that library's."""
    model, batch = tiny(init="random").eval(), stories(pictures(3))
    ids = model.encode_stories(batch).data
    book = model.libraries
    z = model.autoencoder.features(batch.frames[:, 0])  # type: ignore[index]
    for n in range(3):
        for row in range(4):
            for column in range(4):
                front = bool(batch.extras["mask"][n, 0, 4 * row, 4 * column])
                conv, library = (
                    (book.filter_characters, book.characters) if front else (book.filter_background, book.background)
                )
                point = conv.weight[:, :, 0, 0] @ z[n, :, row, column] + conv.bias  # type: ignore[operator]
                nearest = int((library.vectors - point).square().sum(1).argmin())
                assert int(ids[n, 0, row, column]) == nearest + 12 * front


def test_ids_decode_to_what_training_draws(pictures: Pictures) -> None:
    """z = z_bg * M_bg + z_char * (1 - M_bg), in training and through the ids alike."""
    model, batch = tiny().eval(), stories(pictures(4))
    drawn, quantized = model.rebuild(batch, seeded())
    ids = model.encode_stories(batch)
    torch.testing.assert_close(model.decode(ids)[:, 0], drawn.clamp(-1, 1))
    assert torch.equal(ids.data[:, 0], quantized.ids)
    background = model.background(batch)[:, 0]
    behind, front = (model.embed(each.data[:, 0]).permute(0, 3, 1, 2) for each in model.encode_each(batch.frames))  # type: ignore[arg-type]
    weight = background[:, None].float()
    torch.testing.assert_close(quantized.codes, behind * weight + front * (1 - weight))
    torch.testing.assert_close(quantized.characters, front)
    assert (ids.data < 12).equal(model.background(batch))


def test_a_place_is_background_where_few_of_its_pixels_are_a_character() -> None:
    frames = torch.zeros(1, 1, 3, 16, 16)
    batch = stories(frames)
    batch.extras["mask"] = torch.zeros(1, 1, 16, 16, dtype=torch.bool)
    batch.extras["mask"][..., :4, :2] = True  # half of the first place
    batch.extras["mask"][..., 4:8, :1] = True  # a quarter of the one below
    for share, expected in ((0.5, 1), (0.25, 2), (0.75, 0)):
        assert int((~tiny(mask_share=share).background(batch)).sum()) == expected


@pytest.mark.parametrize("step", [0, 1])
def test_loss_is_vqgans_and_the_classification(pictures: Pictures, step: int) -> None:
    model, batch = (
        tiny(character_weight=0.3, l1=0.7, perceptual_weight=0.5, beta=0.4, disc_start=1),
        stories(pictures(4)),
    )
    model.loss(batch, "generator", step, seeded())  # starts the codebooks
    scalars = model.loss(batch, "generator", step, seeded())
    _, quantized = model.rebuild(batch, seeded())
    logits = quantized.characters.reshape(4, -1) @ model.head.weight.T + model.head.bias
    truth = batch.characters[:, 0].float()  # type: ignore[index]
    entropy = -(truth * F.logsigmoid(logits) + (1 - truth) * F.logsigmoid(-logits)).mean()
    torch.testing.assert_close(scalars["characters"], entropy.detach())
    expected = 0.7 * scalars["l1"] + 0.5 * scalars["perceptual"] + quantized.loss.detach() + 0.3 * entropy.detach()
    if step == 1:
        expected = expected + 0.8 * scalars["adversarial_weight"] * scalars["adversarial"]
    torch.testing.assert_close(scalars["loss"].detach(), expected)
    torch.testing.assert_close(
        scalars["commitment"] * 0.4, quantized.loss.detach()
    )  # moving averages: no codebook loss


def test_the_classification_trains_encoder_and_character_filter_alone(pictures: Pictures) -> None:
    model, batch = tiny(), stories(pictures(4))
    model.loss(batch, "generator", 0, seeded())
    _, quantized = model.rebuild(batch, seeded())
    model.zero_grad()
    model.head(quantized.characters.flatten(1)).sum().backward()
    book = model.libraries
    assert book.filter_characters.weight.grad.abs().sum() > 0  # type: ignore[union-attr]
    assert book.filter_background.weight.grad is None
    assert all(p.grad is not None for p in model.autoencoder.encoder.parameters())
    assert all(p.grad is None for p in model.autoencoder.decoder.parameters())


def test_phases_share_no_parameter_and_leave_none_out() -> None:
    model = tiny()
    groups = [{id(p) for p in phase.parameters} for phase in model.phases()]
    assert [phase.name for phase in model.phases()] == ["generator", "discriminator"]
    assert not groups[0] & groups[1]
    assert groups[0] | groups[1] == {id(p) for p in model.parameters()}


@pytest.mark.parametrize("codebook", ["ema", "gradient"])
def test_it_learns(pictures: Pictures, codebook: str) -> None:
    """Pictures and who is in them; both libraries are used and learn."""
    model = tiny(codebook=codebook, disc_weight=0.0, perceptual="none", character_weight=1.0)
    batch, generator = stories(pictures(8)), seeded()
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    log = []
    for step in range(60):
        optimizer.zero_grad()
        scalars = model.loss(batch, "generator", step, generator)
        scalars["loss"].backward()
        optimizer.step()
        log.append({**{k: v.item() for k, v in scalars.items()}, **model.after_step(step, generator)})
    assert log[-1]["l1"] < 0.6 * log[0]["l1"]
    assert log[-1]["characters"] < 0.5 * log[0]["characters"]
    for which in ("background", "characters"):
        assert log[-1][f"usage_{which}"] > 0.2
    before = model.encode_stories(batch).data
    assert torch.equal(model.eval().encode_stories(batch).data, before)


def test_padding_does_not_count(pictures: Pictures) -> None:
    frames = pictures(4).reshape(2, 2, 3, 16, 16)
    valid = torch.tensor([[True, True], [True, False]])
    model = tiny(init="random")
    batch = stories(frames, valid)
    one = model.loss(batch, "generator", 0, seeded())
    changed = stories(frames.clone(), valid)
    changed.frames[1, 1] = 1.0  # type: ignore[index]
    changed.characters[1, 1] = True  # type: ignore[index]
    changed.extras["mask"][1, 1] = True
    two = model.loss(changed, "generator", 0, seeded())
    assert torch.equal(one["loss"], two["loss"])


def test_discriminator_judges_what_the_mask_mixes(pictures: Pictures) -> None:
    model, batch = tiny(disc_norm="group", init="random"), stories(pictures(4))
    scalars = model.loss(batch, "discriminator", 0, seeded())
    drawn = model.autoencoder.decode(model.encode_stories(batch).data[:, 0])
    real, fake = (model.discriminator(x) for x in (batch.frames[:, 0], drawn))  # type: ignore[index, misc]
    torch.testing.assert_close(scalars["loss"], 0.5 * (F.relu(1 - real).mean() + F.relu(1 + fake).mean()))


def test_saved_and_loaded_equal(pictures: Pictures, tmp_path: Path) -> None:
    model, batch = tiny(), stories(pictures(4))
    model.loss(batch, "generator", 0, seeded())
    model.after_step(0, seeded())
    save_component(model.eval(), tmp_path / "a")
    again = load_component(tmp_path / "a")
    assert isinstance(again, DualVQGAN)
    assert again.spec == model.spec
    ids = again.encode_stories(batch)
    assert torch.equal(ids.data, model.encode_stories(batch).data)
    assert torch.equal(again.decode(ids), model.decode(ids))


def test_what_it_cannot_do_without(pictures: Pictures) -> None:
    model, batch = tiny(), stories(pictures(2))
    with pytest.raises(DataError, match="without knowing where its characters are"):
        model.encode(pictures(2))
    batch.extras = {"boxes": torch.zeros(2, 1)}
    with pytest.raises(DataError, match="the extra 'mask', which these stories do not have"):
        model.encode_stories(batch)
    batch = stories(pictures(2))
    batch.characters = None
    with pytest.raises(DataError, match="no character labels"):
        model.loss(batch, "generator", 0, seeded())
    with pytest.raises(DataError, match="32 x 32"):
        model.encode(torch.zeros(1, 1, 3, 32, 32), torch.zeros(1, 1, 4, 4, dtype=torch.bool))


def test_any_ids_decode() -> None:
    """A sampler may give each place either library."""
    model = tiny().eval()
    ids = torch.randint(24, (2, 3, 4, 4), generator=seeded())
    assert model.decode(Latents(ids, model.spec)).shape == (2, 3, 3, 16, 16)
