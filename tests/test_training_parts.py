"""What the training loop is made of, each against an independent reference."""

from __future__ import annotations

import hashlib
import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gst.artifacts import Tokens
from gst.batch import to_uint8
from gst.cast import Cast, Character
from gst.condition import Text, TextSpec
from gst.conditioner import Conditioner
from gst.errors import CheckpointError, DataError, UsageError
from gst.kinds import Dataset, Phase, StorySet, TextEncoder, Trainable
from gst.latents import LatentSpec
from gst.nn.ema import EMA
from gst.runtime import Runtime, has_bf16
from gst.story import Story
from gst.training import Settings, StorySource, cached
from gst.training.cache import CachedStorySet
from gst.training.muon import POLYNOMIALS, Muon, orthogonalise
from gst.training.optimizers import PhaseOptimizer
from gst.training.order import Order
from gst.training.randomness import isolated
from gst.training.schedules import factor

# Schedules


def test_cosine_equals_torch() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(()))], lr=1.0)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 40, eta_min=0.1)
    for step in range(40):
        assert factor("cosine", step + 10, 50, warmup=10, end=0.1) == pytest.approx(reference.get_last_lr()[0])
        optimizer.step()
        reference.step()


def test_linear_and_constant() -> None:
    assert [factor("linear", s, 6, warmup=2) for s in range(6)] == [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]
    assert [factor("constant", s, 6, warmup=4) for s in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    assert factor("cosine", 3, 4, warmup=4) == 1.0


# Muon


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 24, 8), (2, 8, 24)])
def test_orthogonalisation_is_its_polynomials_on_the_singular_values(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    x = torch.randn(shape, dtype=torch.float64)
    left, values, right = torch.linalg.svd(x, full_matrices=False)
    mapped = values / values.norm(dim=-1, keepdim=True) / 1.02
    for a, b, c in POLYNOMIALS:
        mapped = a * mapped + b * mapped**3 + c * mapped**5
    made = orthogonalise(x, dtype=torch.float64)  # but the norm is summed in float32
    torch.testing.assert_close(made, left * mapped[:, None] @ right, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(64, 64), (64, 256), (256, 64)])
def test_orthogonalisation_is_near_the_polar_factor(shape: tuple[int, int]) -> None:
    """Singular values from 1 down to 0.01 of the greatest, in bfloat16."""
    torch.manual_seed(0)
    left, _, right = torch.linalg.svd(torch.randn(shape, dtype=torch.float64), full_matrices=False)
    values = torch.logspace(0, -1.7, min(shape), dtype=torch.float64)
    made = orthogonalise((left * values @ right)[None].float())[0].double()
    found = torch.linalg.svdvals(made)
    assert float(found.min()) > 0.72
    assert float(found.max()) < 1.26
    polar = left @ right
    assert float((made * polar).sum() / made.norm() / polar.norm()) > 0.97


def test_a_matrix_of_zeros_stays_one() -> None:
    assert torch.equal(orthogonalise(torch.zeros(2, 4, 6)), torch.zeros(2, 4, 6, dtype=torch.bfloat16))


def test_matrices_of_one_batch_do_not_mix() -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 16, 8) * torch.tensor([1e-4, 1.0, 1e4])[:, None, None]
    alone = torch.cat([orthogonalise(x[i : i + 1], torch.float32) for i in range(3)])
    torch.testing.assert_close(orthogonalise(x, torch.float32), alone)


def test_muon_step_equals_the_formula() -> None:
    torch.manual_seed(0)
    start = [torch.randn(12, 4), torch.randn(4, 12), torch.randn(12, 4)]
    parameters = [nn.Parameter(w.clone()) for w in start]
    optimizer = Muon(parameters, lr=0.1, momentum=0.9, weight_decay=0.5, dtype=torch.float32)
    buffers = [torch.zeros_like(w) for w in start]
    weights = [w.clone() for w in start]
    for _ in range(3):
        for i, parameter in enumerate(parameters):
            gradient = torch.randn_like(parameter)
            parameter.grad = gradient.clone()
            buffers[i] = 0.9 * buffers[i] + 0.1 * gradient
            update = orthogonalise((0.1 * gradient + 0.9 * buffers[i])[None], dtype=torch.float32)[0]
            scale = math.sqrt(max(1.0, update.shape[0] / update.shape[1]))
            weights[i] = weights[i] * (1 - 0.1 * 0.5) - 0.1 * scale * update
        optimizer.step()
    for parameter, expected in zip(parameters, weights, strict=True):
        torch.testing.assert_close(parameter.detach(), expected)


def test_muon_leaves_parameters_without_gradient_alone() -> None:
    parameter = nn.Parameter(torch.ones(2, 2))
    Muon([parameter], lr=1.0, weight_decay=0.5).step()
    assert torch.equal(parameter, torch.ones(2, 2))


class Net(Trainable):
    kind = "prior"

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(7, 4)
        self.inner = nn.Linear(4, 4)
        self.conv = nn.Conv2d(4, 4, 3)
        self.norm = nn.LayerNorm(4)
        self.position = nn.Parameter(torch.zeros(3, 4))
        self.head = nn.Sequential(nn.Linear(4, 7))

    def loss(self, batch, phase, step, generator):  # type: ignore[no-untyped-def]
        raise NotImplementedError


def test_muon_takes_inner_matrices_and_adamw_the_rest_once() -> None:
    model = Net()
    phase = Phase("main", list(model.parameters()))
    both = PhaseOptimizer(model, phase, Settings(steps=1, optimizer="muon", weight_decay=0.3), bf16=False)
    muon, adamw = both.optimizers
    assert [id(p) for group in muon.param_groups for p in group["params"]] == [id(model.inner.weight)]
    rest = [(id(p), group["weight_decay"]) for group in adamw.param_groups for p in group["params"]]
    expected = {id(p): 0.3 if p.ndim >= 2 else 0.0 for p in model.parameters() if p is not model.inner.weight}
    assert dict(rest) == expected
    assert len(rest) == len(expected)


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_optimizer_state_goes_over_into_another(name: str) -> None:
    torch.manual_seed(0)
    models = [Net(), Net()]
    models[1].load_state_dict(models[0].state_dict())
    made = [
        PhaseOptimizer(m, Phase("main", list(m.parameters())), Settings(steps=1, optimizer=name), bf16=False)  # type: ignore[arg-type]
        for m in models
    ]

    def step(model: Net, optimizer: PhaseOptimizer, seed: int) -> None:
        torch.manual_seed(seed)
        for parameter in model.parameters():
            parameter.grad = torch.randn_like(parameter)
        optimizer.step()

    step(models[0], made[0], 1)
    step(models[1], made[1], 2)
    models[1].load_state_dict(models[0].state_dict())
    made[1].load({key: value.clone() for key, value in made[0].state().items()})
    for model, optimizer in zip(models, made, strict=True):
        step(model, optimizer, 3)
    for a, b in zip(models[0].parameters(), models[1].parameters(), strict=True):
        assert torch.equal(a, b)
    with pytest.raises(CheckpointError, match="another optimizer"):
        made[1].load({"9.0.exp_avg": torch.zeros(1)})
    with pytest.raises(CheckpointError, match="other parameters"):
        made[1].load({key: torch.zeros(99) for key in made[0].state()})


def test_ema_applied_and_taken_back() -> None:
    parameter = nn.Parameter(torch.zeros(3))
    ema = EMA({"w": parameter}, decay=0.5)
    parameter.data.fill_(11.0)
    ema.update()
    with ema.applied():
        torch.testing.assert_close(parameter.detach(), torch.full((3,), 10.0))  # d = 1 / 11
    assert torch.equal(parameter.detach(), torch.full((3,), 11.0))


# Order


@settings(max_examples=30, deadline=None)
@given(count=st.integers(1, 40), size=st.integers(1, 50), steps=st.integers(1, 12))
def test_every_example_comes_once_an_epoch_and_no_batch_is_short(count: int, size: int, steps: int) -> None:
    order = Order(count, seed=3, stream="data")
    batches = [order.take(step * size, size) for step in range(steps)]
    assert all(len(batch) == size for batch in batches)
    flat = [i for batch in batches for i in batch]
    for epoch in range(len(flat) // count):
        assert sorted(flat[epoch * count : (epoch + 1) * count]) == list(range(count))
    # Any batch alone, in any order of asking, is the same.
    assert [Order(count, 3, "data").take(step * size, size) for step in reversed(range(steps))] == batches[::-1]


def test_order_depends_on_seed_stream_and_epoch() -> None:
    orders = [Order(50, 0, "data"), Order(50, 1, "data"), Order(50, 0, "frames")]
    seen = {tuple(order.take(0, 50)) for order in orders} | {tuple(orders[0].take(50, 50))}
    assert len(seen) == 4


# Sources


class Blocks(StorySet):
    """Stories of 1 to 3 frames; a frame is filled with 10 * story + t."""

    name = "train"

    def __init__(self, count: int = 7, key: str = "") -> None:
        self.count, self.key, self.read = count, key, Counter[int]()
        self.dataset = BlocksData()

    def __len__(self) -> int:
        return self.count

    def captions(self, index: int) -> tuple[str, ...]:
        return tuple(f"{'Bo' if index % 2 else 'Mi'} {index}.{t}" for t in range(1 + index % 3))

    def story(self, index: int) -> Story:
        self.read[index] += 1
        length = 1 + index % 3
        frames = np.stack([np.full((3, 2, 2), 10 * index + t, np.uint8) for t in range(length)])
        truth = np.zeros((length, 2), bool)
        truth[:, 1] = True
        extras = {"t": np.arange(length), "whole": np.array(index)}
        return Story(f"b{index}", self.captions(index), frames, truth, extras)

    def fingerprint(self) -> str:
        return hashlib.sha256(f"{self.count} {self.key}".encode()).hexdigest()


class BlocksData(Dataset):
    cast = Cast((Character("Bo", pronouns=("he",)), Character("Mi")))
    frame_size, frames_per_story, extras, splits = (2, 2), 3, {}, ("train",)

    def split(self, name: str) -> StorySet:
        raise NotImplementedError

    def fingerprint(self) -> str:
        return ""


class Letters(TextEncoder):
    """Character codes; remembers what it encoded."""

    def __init__(self) -> None:
        self.encoded: list[str] = []

    @property
    def spec(self) -> TextSpec:
        return TextSpec("ids", 6, vocab=128)

    def encode(self, captions):  # type: ignore[no-untyped-def]
        self.encoded += [caption for story in captions for caption in story]
        rows = [[[ord(c) for c in caption.ljust(6, "\0")[:6]] for caption in story] for story in captions]
        data = torch.tensor(rows)
        return Text(data, data > 0)


def test_stories_of_different_length_are_padded_with_their_conditions() -> None:
    conditioner = Conditioner(Letters(), BlocksData.cast)
    source = StorySource(Blocks(key="pad"), batch_size=3, seed=0, conditioner=conditioner)
    batch = source.of([2, 0, 4])
    assert batch.ids == ("b2", "b0", "b4")
    assert batch.frame_mask.tolist() == [[True, True, True], [True, False, False], [True, True, False]]
    assert to_uint8(batch.frames)[2, 1, 0, 0, 0] == 41
    expected = conditioner(batch.ids, batch.captions, batch.frame_mask)
    assert batch.condition.ids == batch.ids
    assert torch.equal(batch.condition.text.data, expected.text.data)
    assert torch.equal(batch.condition.text.mask, expected.text.mask)
    assert torch.equal(batch.condition.characters, expected.characters)


def test_single_frames_come_each_once_an_epoch_with_their_own_truth() -> None:
    stories = Blocks(key="frames")
    total = sum(len(stories.captions(i)) for i in range(len(stories)))
    conditioner = Conditioner(Letters(), BlocksData.cast)
    source = StorySource(stories, batch_size=total, seed=0, unit="frame", conditioner=conditioner)
    batch = source.batch(5)
    assert batch.frame_mask.shape == (total, 1)
    assert set(batch.ids) == {f"b{i}#{t}" for i in range(len(stories)) for t in range(1 + i % 3)}
    for n, (name, (caption,)) in enumerate(zip(batch.ids, batch.captions, strict=True)):
        story, t = (int(x) for x in name[1:].split("#"))
        assert int(to_uint8(batch.frames)[n, 0, 0, 0, 0]) == 10 * story + t
        assert caption == f"{'Bo' if story % 2 else 'Mi'} {story}.{t}"
        assert batch.extras["t"][n, 0] == t
        assert batch.extras["whole"][n] == story
        assert bytes(batch.condition.text.data[n, 0].tolist()).decode().strip("\0") == caption[:6]
        assert batch.condition.characters[n, 0].tolist() == [story % 2 == 1, story % 2 == 0]


def test_a_pronoun_of_a_single_frame_is_resolved_in_its_story() -> None:
    class Pronouns(Blocks):
        def captions(self, index: int) -> tuple[str, ...]:
            return ("Bo runs", "he rests", "he sits")[: 1 + index % 3]

    conditioner = Conditioner(None, BlocksData.cast, resolve="antecedent")
    source = StorySource(Pronouns(key="he"), batch_size=1, seed=0, conditioner=conditioner)
    batch = source.of([2], [1])
    assert batch.captions == [["he rests"]]
    assert batch.condition.characters.tolist() == [[[True, False]]]
    assert batch.condition.text is None


def test_labels_are_the_truth_and_needed() -> None:
    conditioner = Conditioner(None, BlocksData.cast, characters_from="labels")
    batch = StorySource(Blocks(key="labels"), batch_size=2, seed=0, conditioner=conditioner).of([0, 1])
    assert batch.condition.characters.tolist() == [[[False, True], [False, False]], [[False, True], [False, True]]]
    blind = tokens()
    blind.characters = None
    with pytest.raises(DataError, match="labels"):
        StorySource(blind, batch_size=2, seed=0, conditioner=conditioner).of([0])


def test_captions_are_encoded_once() -> None:
    text = Letters()
    source = StorySource(Blocks(key="once"), batch_size=4, seed=0, conditioner=Conditioner(text, BlocksData.cast))
    for step in range(6):
        source.batch(step)
    assert len(text.encoded) == len(set(text.encoded))


def tokens(count: int = 5) -> Tokens:
    data = np.arange(count * 3 * 4, dtype=np.uint8).reshape(count, 3, 2, 2)
    return Tokens(
        spec=LatentSpec("ids", (2, 2), vocab=256),
        ids=[f"t{i}" for i in range(count)],
        captions=[[f"Bo {i}.{t}" for t in range(1 + i % 3)] for i in range(count)],
        data=data,
        characters=np.ones((count, 3, 2), bool),
        cast=BlocksData.cast,
        source="",
    )


def test_tokens_as_stories_and_as_frames() -> None:
    made = tokens()
    source = StorySource(made, batch_size=3, seed=0, conditioner=Conditioner(Letters(), made.cast))
    batch = source.of([4, 2])
    assert torch.equal(batch.latents["target"].data, torch.from_numpy(made.data[[4, 2]].astype(np.int64)))
    single = source.batch(0, "frames")
    for name, (caption,), ids in zip(single.ids, single.captions, single.latents["target"].data, strict=True):
        story, t = (int(x) for x in name[1:].split("#"))
        assert caption == f"Bo {story}.{t}"
        assert np.array_equal(ids.numpy()[0], made.data[story, t])


def test_parts_make_up_the_batch() -> None:
    source = StorySource(tokens(), batch_size=6, seed=1)
    whole = source.batch(2).ids
    assert tuple(i for part in range(3) for i in source.batch(2, part=part, parts=3).ids) == whole
    assert StorySource(tokens(), batch_size=6, seed=1, stories=2).batch(0).ids.count("t0") == 3


def test_an_empty_split_is_refused() -> None:
    with pytest.raises(DataError, match="empty"):
        StorySource(Blocks(0), batch_size=1, seed=0)


def test_cached_stories_are_read_once_and_shared() -> None:
    stories = Blocks(key="cache")
    first, second = cached(stories), cached(Blocks(key="cache"))
    assert first is second
    assert cached(first) is first
    for _ in range(3):
        assert [first[i].id for i in range(7)] == [f"b{i}" for i in range(7)]
    assert first[6].frames is second[6].frames
    assert set(stories.read.values()) == {1}
    assert first.captions(3) == stories.captions(3)
    assert first.fingerprint() == stories.fingerprint()


def test_the_cache_keeps_to_its_limit() -> None:
    stories = Blocks(key="limit")
    full = CachedStorySet(stories, limit=0)
    for _ in range(2):
        assert full[3].id == "b3"
    assert stories.read[3] == 2


# Runtime


def test_runtime_says_what_decides_the_bits() -> None:
    about = Runtime(device="cpu", precision="bf16").describe()
    assert about["precision"] == "bf16"
    assert about["threads"] == torch.get_num_threads()
    assert about["torch"] == torch.__version__
    assert about["world"] == 1


def test_precision_auto_follows_the_processor() -> None:
    assert Runtime(device="cpu").precision == ("bf16" if has_bf16(torch.device("cpu")) else "fp32")


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_autocast(precision: str, dtype: torch.dtype) -> None:
    runtime = Runtime(device="cpu", precision=precision)  # type: ignore[arg-type]
    with runtime.autocast():
        assert (torch.zeros(2, 2) @ torch.zeros(2, 2)).dtype == dtype


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="no GPU"):
        Runtime(device="cuda")


def test_isolated_randomness() -> None:
    runtime = Runtime(device="cpu")
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    with isolated(runtime, 5):
        inside = torch.rand(3)
    assert torch.equal(torch.rand(3), expected)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(3), inside)
