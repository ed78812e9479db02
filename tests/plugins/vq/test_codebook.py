from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gst_vq.codebook import Codebook
from gst_vq.ema_codebook import EMACodebook
from gst_vq.gradient_codebook import GradientCodebook

KINDS = [EMACodebook, GradientCodebook]


def make(kind: type[Codebook], **options: object) -> Codebook:
    settings = {"size": 8, "dim": 4, "beta": 0.25, "cosine": False, "init": "random", "decay": 0.9, "revive_below": 0.0}
    book = kind(**(settings | options))  # type: ignore[arg-type]
    with torch.no_grad():
        book.put(torch.arange(book.size), torch.randn(book.size, book.dim), torch.ones(book.size))
    return book.train()


def grid(n: int = 3, dim: int = 4, side: int = 5) -> Tensor:
    return torch.randn(n, dim, side, side, requires_grad=True)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def rows(z: Tensor) -> Tensor:
    return z.detach().permute(0, 2, 3, 1).reshape(-1, z.shape[1])


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cosine", [False, True])
def test_lookup_is_the_nearest_code(kind: type[Codebook], cosine: bool) -> None:
    book, z = make(kind, cosine=cosine), grid()
    found = book(z, seeded()).ids
    codes = book.codes.detach()
    for n in range(3):
        for row in range(5):
            for column in range(5):
                point = z[n, :, row, column].detach()
                if cosine:
                    best = max(range(8), key=lambda k: F.cosine_similarity(point, codes[k], dim=0).item())
                else:
                    best = min(range(8), key=lambda k: (point - codes[k]).norm().item())
                assert found[n, row, column] == best
    assert torch.equal(book.lookup(z), found)


@pytest.mark.parametrize("kind", KINDS)
def test_codes_are_those_of_the_ids_and_the_gradient_passes_straight_through(kind: type[Codebook]) -> None:
    book, z = make(kind, beta=0.0), grid()
    quantized = book(z, seeded())
    torch.testing.assert_close(quantized.codes, book.embed(quantized.ids).permute(0, 3, 1, 2))
    weights = torch.randn_like(quantized.codes)
    (gradient,) = torch.autograd.grad((quantized.codes * weights).sum(), z)
    assert torch.equal(gradient, weights)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cosine", [False, True])
def test_losses_and_their_gradients(kind: type[Codebook], cosine: bool) -> None:
    book, z = make(kind, cosine=cosine, beta=0.3), grid()
    quantized = book(z, seeded())
    points = z.permute(0, 2, 3, 1).reshape(-1, 4)
    codes = book.codes.detach()
    if cosine:
        points, codes = points / points.norm(dim=1, keepdim=True), codes / codes.norm(dim=1, keepdim=True)
    apart = ((points - codes[quantized.ids.flatten()]) ** 2).mean()
    torch.testing.assert_close(quantized.commitment, apart)
    learned = kind is GradientCodebook
    torch.testing.assert_close(quantized.loss, apart * (0.3 + learned))
    ours, reference = torch.autograd.grad(quantized.loss, z)[0], torch.autograd.grad(0.3 * apart, z)[0]
    torch.testing.assert_close(ours, reference)


def test_only_the_gradient_codebook_is_pulled_by_its_loss() -> None:
    book, z = make(GradientCodebook), grid()
    quantized = book(z, seeded())
    quantized.loss.backward()
    expected = torch.zeros(8, 4)
    for point, k in zip(rows(z), quantized.ids.flatten(), strict=True):
        expected[k] += 2 * (book.codes.detach()[k] - point) / (75 * 4)
    torch.testing.assert_close(book.codes.grad, expected)
    assert not list(make(EMACodebook).parameters())


@pytest.mark.parametrize("cosine", [False, True])
def test_moving_averages_against_a_loop(cosine: bool) -> None:
    book = make(EMACodebook, cosine=cosine)
    counts, sums, codes = book.counts.tolist(), book.sums.clone(), book.codes.clone()
    for step in range(4):
        z = grid() + step
        points = rows(F.normalize(z, dim=1) if cosine else z)
        used, gathered = [0] * 8, torch.zeros(8, 4)
        for point in points:
            k = min(range(8), key=lambda k: (point - codes[k]).norm().item())
            used[k] += 1
            gathered[k] += point
        for k in range(8):
            counts[k] = 0.9 * counts[k] + 0.1 * used[k]
            sums[k] = 0.9 * sums[k] + 0.1 * gathered[k]
            codes[k] = sums[k] / counts[k]
            if cosine:
                codes[k] /= codes[k].norm()
        book(z, seeded())
        book.update(seeded())
        torch.testing.assert_close(book.counts, torch.tensor(counts))
        torch.testing.assert_close(book.vectors, codes)


def test_an_unused_code_stays_finite_and_in_place() -> None:
    book = make(EMACodebook, decay=0.1)
    book.put(torch.tensor([5]), torch.full((1, 4), 100.0), torch.ones(1))
    for _ in range(60):
        book(grid(), seeded())
        book.update(seeded())
    assert torch.isfinite(book.vectors).all()
    torch.testing.assert_close(book.vectors[5], torch.full((4,), 100.0))


@pytest.mark.parametrize("kind", KINDS)
def test_micro_batches_teach_what_the_whole_batch_does(kind: type[Codebook]) -> None:
    torch.manual_seed(3)
    whole = make(kind, revive_below=0.5)
    parts = make(kind)
    parts.revive_below = 0.5
    parts.load_state_dict(whole.state_dict())
    for _ in range(3):
        z = grid(4)
        whole(z, seeded())
        parts(z[:1], seeded())
        parts(z[1:], seeded())
        assert whole.update(seeded()) == parts.update(seeded())
        for name, value in whole.state_dict().items():
            assert torch.equal(value, parts.state_dict()[name]), name


def test_usage_and_perplexity() -> None:
    book = make(EMACodebook, size=4, dim=1)
    book.put(torch.arange(4), torch.tensor([[0.0], [10.0], [20.0], [30.0]]), torch.ones(4))
    book(torch.tensor([0.1, 0.2, 10.3, 0.4]).view(1, 1, 2, 2), seeded())
    scalars = book.update(seeded())
    entropy = -(0.75 * torch.tensor(0.75).log() + 0.25 * torch.tensor(0.25).log())
    assert scalars["usage"] == 0.5
    assert scalars["perplexity"] == pytest.approx(entropy.exp().item())
    assert book.update(seeded()) == {}


def test_eval_mode_observes_nothing() -> None:
    book = make(EMACodebook).eval()
    before = {name: value.clone() for name, value in book.state_dict().items()}
    book(grid(), seeded())
    assert book.update(seeded()) == {}
    assert all(torch.equal(value, before[name]) for name, value in book.state_dict().items())


@pytest.mark.parametrize("kind", KINDS)
def test_dead_codes_move_to_encoder_outputs(kind: type[Codebook]) -> None:
    book = make(kind, revive_below=0.1, decay=0.5)
    far = torch.full((3, 4), 1e3) + torch.arange(3.0)[:, None]
    book.put(torch.tensor([1, 4, 6]), far, torch.ones(3))
    z = grid()
    for _ in range(20):
        book(z, seeded())
        scalars = book.update(seeded())
        if scalars["revived"]:
            break
    assert scalars["revived"] == 3
    points = rows(z)
    for k in (1, 4, 6):
        assert (points == book.codes.detach()[k]).all(1).any()
    assert len(torch.unique(book.codes.detach()[[1, 4, 6]], dim=0)) == 3
    assert set(book(z, seeded()).ids.unique().tolist()) >= {1, 4, 6}


def test_revival_draws_from_the_generator_alone() -> None:
    def revived(seed: int, other: int) -> Tensor:
        torch.manual_seed(0)
        book = make(EMACodebook, revive_below=0.9)
        z = grid()
        torch.manual_seed(other)
        book(z, seeded())
        book.update(torch.Generator().manual_seed(seed))
        return book.vectors

    assert torch.equal(revived(1, 5), revived(1, 6))
    assert not torch.equal(revived(1, 5), revived(2, 5))


@pytest.mark.parametrize("kind", KINDS)
def test_kmeans_start_sits_on_the_clusters_of_the_first_batch(kind: type[Codebook]) -> None:
    book = make(kind, init="kmeans")
    centres = torch.eye(8)[:, :4] * 50 + torch.arange(8.0)[:, None] * 20
    z = (centres[torch.arange(200) % 8] + torch.randn(200, 4) * 0.1).view(2, 10, 10, 4).permute(0, 3, 1, 2)
    assert not book.started
    commitment = book(z, seeded()).commitment
    assert commitment < 0.02
    assert book.started
    torch.testing.assert_close(book.counts, torch.full((8,), 25.0) * (1 - book.decay))
    codes = book.codes.detach().clone()
    book(z + 1, seeded())
    assert torch.equal(book.codes.detach(), codes)


def test_quantisation_is_float32_under_autocast() -> None:
    book, z = make(EMACodebook), grid()
    plain = book(z, seeded())
    with torch.autocast("cpu", torch.bfloat16):
        cast = book(z, seeded())
    assert torch.equal(plain.ids, cast.ids)
    assert torch.equal(plain.codes, cast.codes)
    assert torch.equal(plain.loss, cast.loss)
