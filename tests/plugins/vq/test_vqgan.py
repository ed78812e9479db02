from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gst.errors import DataError, OptionError
from gst_vq.adversarial import adaptive_weight, hinge_discriminator, hinge_generator
from gst_vq.perceptual.pyramid import PyramidLoss
from gst_vq.perceptual.random_features import RandomFeatures
from gst_vq.perceptual.timm_features import TimmFeatures
from gst_vq.vqgan import VQGAN

Pictures = Callable[..., Tensor]


def tiny(**options: Any) -> VQGAN:
    torch.manual_seed(0)
    settings = {
        "downsample": 4,
        "widths": (16,),
        "blocks": 1,
        "decoder_blocks": 1,
        "codebook_size": 12,
        "code_dim": 8,
        "disc_start": 0,
    }
    return VQGAN(frame_size=(16, 16), **(settings | {"disc_width": 8, "disc_layers": 1} | options)).train()


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_hinge_losses_against_a_loop() -> None:
    real, fake = torch.tensor([[2.0, 0.5], [-1.0, 1.0]]), torch.tensor([[-2.0, 0.0], [0.5, -1.0]])
    expected = sum(max(0.0, 1 - x) for x in real.flatten().tolist()) / 4
    expected += sum(max(0.0, 1 + x) for x in fake.flatten().tolist()) / 4
    assert hinge_discriminator(real, fake).item() == pytest.approx(expected / 2)
    assert hinge_generator(fake).item() == pytest.approx(0.625)


def test_adaptive_weight_against_full_gradients() -> None:
    torch.manual_seed(0)
    body, last, judge = nn.Linear(4, 5), nn.Linear(5, 3), nn.Linear(3, 1)
    x, target = torch.randn(7, 4), torch.randn(7, 3)

    def losses() -> tuple[Tensor, Tensor]:
        drawn = last(torch.tanh(body(x)))
        return (drawn - target).abs().mean(), -judge(drawn).mean()

    weight = adaptive_weight(*losses(), last.weight)
    norms = []
    for which in (0, 1):
        last.zero_grad()
        losses()[which].backward()
        norms.append(last.weight.grad.norm())  # type: ignore[union-attr]
    torch.testing.assert_close(weight, norms[0] / (norms[1] + 1e-4))
    assert not weight.requires_grad
    assert adaptive_weight(1e6 * losses()[0], 0.0 * losses()[1], last.weight) == 1e4


def test_generator_loss_is_the_sum_of_its_parts(pictures: Pictures, batch_of: Any) -> None:
    model, batch = tiny(l1=0.7, l2=0.3, perceptual_weight=0.5, beta=0.4), batch_of(pictures(4))
    before = model.loss(batch, "generator", 0, seeded())
    scalars = model.loss(batch, "generator", 0, seeded())
    assert before["loss"].item() == pytest.approx(scalars["loss"].item(), rel=1e-5)
    expected = 0.7 * scalars["l1"] + 0.3 * scalars["l2"] + 0.5 * scalars["perceptual"] + 0.4 * scalars["commitment"]
    expected = expected + 0.8 * scalars["adversarial_weight"] * scalars["adversarial"]
    torch.testing.assert_close(scalars["loss"].detach(), expected)


def test_adversarial_gradient_at_the_last_layer_is_balanced(pictures: Pictures, batch_of: Any) -> None:
    model, batch = tiny(beta=0.0), batch_of(pictures(4))
    last = model.autoencoder.decoder.last.weight
    model.loss(batch, "generator", 0, seeded())
    with_judge = model.loss(batch, "generator", 0, seeded())["loss"]
    model.disc_start = 1
    without = model.loss(batch, "generator", 0, seeded())["loss"]
    plain, both = torch.autograd.grad(without, last)[0], torch.autograd.grad(with_judge, last)[0]
    assert (both - plain).norm().item() == pytest.approx(0.8 * plain.norm().item(), rel=0.01)


def test_discriminator_starts_late(pictures: Pictures, step_through: Any) -> None:
    model = tiny(disc_start=2)
    assert [(phase.name, phase.start) for phase in model.phases()] == [("generator", 0), ("discriminator", 2)]
    optimizers = [torch.optim.Adam(phase.parameters, 1e-3) for phase in model.phases()]
    log = step_through(model, [[pictures(4)]] * 4, seeded(), optimizers)
    assert ["generator/adversarial" in row for row in log] == [False, False, True, True]
    assert ["discriminator/loss" in row for row in log] == [False, False, True, True]


def test_phases_share_no_parameter_and_leave_none_out() -> None:
    model = tiny()
    groups = [{id(p) for p in phase.parameters} for phase in model.phases()]
    assert not groups[0] & groups[1]
    assert groups[0] | groups[1] == {id(p) for p in model.parameters()}
    assert [phase.name for phase in tiny(disc_weight=0.0).phases()] == ["generator"]


def test_discriminator_phase(pictures: Pictures, batch_of: Any) -> None:
    model, batch = tiny(disc_norm="group"), batch_of(pictures(4))
    scalars = model.loss(batch, "discriminator", 0, seeded())
    assert model.discriminator is not None
    drawn = model.autoencoder.decode(model.autoencoder.encode(batch.frames[:, 0]))
    real, fake = model.discriminator(batch.frames[:, 0]), model.discriminator(drawn)
    torch.testing.assert_close(scalars["loss"], 0.5 * (F.relu(1 - real).mean() + F.relu(1 + fake).mean()))
    scalars["loss"].backward()
    assert all(p.grad is None for p in model.autoencoder.parameters())
    assert model.after_step(0, seeded()) == {}


def test_validation_needs_no_gradient(pictures: Pictures, batch_of: Any) -> None:
    model = tiny().eval()
    with torch.no_grad():
        scalars = model.loss(batch_of(pictures(4)), "generator", 0, seeded())
    assert torch.isfinite(scalars["loss"])
    assert "adversarial_weight" not in scalars


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, nn.Module]:
    """A small network of timm with random weights, and the file that holds them."""
    import timm
    from safetensors.torch import save_file

    torch.manual_seed(0)
    net = timm.create_model("test_resnet", pretrained=False).eval()
    path = tmp_path_factory.mktemp("weights") / "net.safetensors"
    save_file(net.state_dict(), path)
    return "test_resnet", path, net


def test_features_of_a_local_network(network: tuple[str, Path, nn.Module], pictures: Pictures) -> None:
    name, path, net = network
    a, b = pictures(4, (32, 32))[:, 0], pictures(8, (32, 32))[4:, 0]
    loss = TimmFeatures(name, path, (1, 2))
    mean, std = (torch.tensor(net.default_cfg[key]).view(3, 1, 1) for key in ("mean", "std"))
    with torch.no_grad():
        layers = [net.forward_intermediates(((x + 1) / 2 - mean) / std, indices=[1, 2])[1] for x in (a, b)]
    expected = 0.0
    for x, y in zip(*layers, strict=True):
        x, y = (f / (f.square().sum(1, keepdim=True) + 1e-8).sqrt() for f in (x, y))
        expected += (x - y).square().sum(1).mean().item()
    assert loss(a, b).item() == pytest.approx(expected, rel=1e-4)
    assert TimmFeatures(name, path, None)(a, b) > loss(a, b)
    assert loss(a, a).item() == 0.0


def test_training_with_a_local_network(
    network: tuple[str, Path, nn.Module], pictures: Pictures, step_through: Any
) -> None:
    model = tiny(perceptual="timm", perceptual_model=network[0], perceptual_weights=network[1])
    names = set(model.state_dict())
    optimizers = [torch.optim.Adam(phase.parameters, 1e-3) for phase in model.phases()]
    log = step_through(model, [[pictures(4)]] * 2, seeded(), optimizers)
    assert log[0]["generator/perceptual"] > 0
    assert set(model.state_dict()) == names


def test_missing_network_and_weights(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no weights for 'vgg16'"):
        TimmFeatures("vgg16", tmp_path / "absent.safetensors", None)
    (tmp_path / "broken.safetensors").write_bytes(b"no weights")
    with pytest.raises(DataError, match="cannot be read from"):
        TimmFeatures("test_resnet", tmp_path / "broken.safetensors", None)
    with pytest.raises(OptionError, match="no model 'vgg61'"):
        TimmFeatures("vgg61", None, None)


def test_pyramid_against_a_loop() -> None:
    torch.manual_seed(0)
    a, b = torch.randn(2, 3, 8, 8), torch.randn(2, 3, 8, 8)

    def pyramid(x: Tensor) -> list[Tensor]:
        bands = []
        for _ in range(3):
            small = x.unfold(2, 2, 2).unfold(3, 2, 2).mean((-1, -2))
            bands.append(x - small.repeat_interleave(2, 2).repeat_interleave(2, 3))
            x = small
        return [*bands, x]

    expected = sum((x - y).abs().mean() for x, y in zip(pyramid(a), pyramid(b), strict=True))
    torch.testing.assert_close(PyramidLoss()(a, b), expected)
    assert torch.isfinite(PyramidLoss()(a[..., :6, :5], b[..., :6, :5]))


@pytest.mark.parametrize("make", [PyramidLoss, RandomFeatures])
def test_perceptual_losses_see_blur(make: Callable[[], Any], pictures: Pictures) -> None:
    """A sharp picture with a small shift of colour is nearer than a blurred one of the same mean difference."""
    frames = pictures(8, (32, 32))[:, 0]
    blurred = F.interpolate(F.avg_pool2d(frames, 4), scale_factor=4.0, mode="bilinear")
    shift = (blurred - frames).abs().mean()
    tinted = frames + shift
    loss = make()
    assert loss(frames, frames).item() == pytest.approx(0.0, abs=1e-6)
    assert loss(tinted, frames) < loss(blurred, frames)
    leaf = blurred.clone().requires_grad_()
    loss(leaf, frames).backward()
    assert torch.isfinite(leaf.grad).all()  # type: ignore[arg-type]


def test_random_features_are_the_same_everywhere(pictures: Pictures) -> None:
    frames = pictures(4, (32, 32))[:, 0]
    first = RandomFeatures()(frames, frames.flip(0))
    torch.manual_seed(123)
    assert torch.equal(RandomFeatures()(frames, frames.flip(0)), first)
