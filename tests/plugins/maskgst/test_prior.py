from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from gst.cast import Cast, Character
from gst.condition import Condition, Text, TextSpec
from gst.errors import TrainingError, UsageError
from gst.latents import LatentSpec
from gst.plugins import registry
from gst.saving import load_component, save_component
from gst_maskgst.masking import draw_mask
from gst_maskgst.prior import MaskGST
from gst_maskgst.textfirst import MaskGSTTextFirst

EVERY = pytest.mark.parametrize(
    "options",
    [
        {},
        {"cls": MaskGSTTextFirst},
        {"layers": ("self", "full")},
        {"cls": MaskGSTTextFirst, "layers": ("sv", "full", "sv"), "qk_norm": False, "activation": "silu"},
        {"layers": ("self",), "characters": False},
    ],
    ids=["thesis", "text-first", "full-last", "text-first-sv", "self-only"],
)


def logits(prior: MaskGST, condition: Condition, x: Tensor) -> Tensor:
    with torch.no_grad():
        return prior.predict(prior.begin(condition), x, 0.5)[0]


def tokens(prior: MaskGST, condition: Condition, seed: int = 0) -> Tensor:
    """Ids, some of them masked."""
    generator = torch.Generator().manual_seed(seed)
    shape = (condition.batch, condition.frames, *prior.latents.grid)
    return torch.randint(prior.latents.vocab + 1, shape, generator=generator)


@EVERY
def test_padding_never_leaks(prior, condition, options) -> None:
    model, told = prior(**options), condition([5, 3])
    x = tokens(model, told)
    before = logits(model, told, x)
    assert before.shape == (2, 5, 2, 3, 11)
    assert before.isfinite().all()
    # Everything that is padding becomes something else: frames, their captions and characters, and text rows.
    junk = condition([5, 5], words=7, seed=9)
    pad_frame = ~told.frame_mask
    assert told.text is not None
    assert junk.text is not None
    changed = replace(
        told,
        text=Text(
            torch.where(told.text.mask, told.text.data, junk.text.data),
            torch.where(pad_frame[..., None], junk.text.mask, told.text.mask),
        ),
        characters=torch.where(pad_frame[..., None], junk.characters, told.characters),
    )
    x = torch.where(pad_frame[..., None, None], tokens(model, told, seed=5), x)
    assert not torch.equal(changed.text.data, told.text.data)
    torch.testing.assert_close(logits(model, changed, x)[told.frame_mask], before[told.frame_mask])


@EVERY
def test_stories_never_leak_into_each_other(prior, condition, options) -> None:
    model, told = prior(**options), condition([3, 4, 2], frames=4)
    x = tokens(model, told)
    together = logits(model, told, x)
    for i in range(3):
        alone = Condition(
            ids=told.ids[i : i + 1],
            frame_mask=told.frame_mask[i : i + 1],
            text=Text(told.text.data[i : i + 1], told.text.mask[i : i + 1]),
            characters=told.characters[i : i + 1],
        )
        torch.testing.assert_close(logits(model, alone, x[i : i + 1]), together[i : i + 1], atol=1e-4, rtol=1e-4)


@EVERY
@pytest.mark.parametrize("hide", ["text", "characters", "all"])
def test_no_rows_equal_hidden_rows(prior, condition, options, hide) -> None:
    """Branches without text or character rows predict what the rows' masking predicts."""
    model, told = prior(**options), condition([4, 2])
    x = tokens(model, told)
    everywhere = torch.ones_like(told.frame_mask)
    masked, absent = told, told
    if hide in ("text", "all"):
        masked, absent = masked.without_text(everywhere), absent.without_text()
    if hide in ("characters", "all"):
        masked, absent = masked.without_characters(everywhere), absent.without_characters()
    real = told.frame_mask
    torch.testing.assert_close(logits(model, masked, x)[real], logits(model, absent, x)[real], atol=1e-4, rtol=1e-4)
    if hide == "text":
        assert not torch.allclose(logits(model, absent, x), logits(model, told, x), atol=1e-2)


def influence(
    model: MaskGST, told: Condition, change: Callable[[Condition, Tensor], tuple[Condition, Tensor]]
) -> Tensor:
    """bool (T,): whose predictions in story 0 a change moves."""
    x = tokens(model, told)
    other, y = change(told, x)
    return (logits(model, told, x) - logits(model, other, y)).abs().amax((2, 3, 4))[0] > 1e-5


def other_caption(told: Condition, x: Tensor) -> tuple[Condition, Tensor]:
    data = told.text.data.clone()
    data[0, 1, 0] = (data[0, 1, 0] + 3) % 20
    return replace(told, text=replace(told.text, data=data)), x


def other_tokens(told: Condition, x: Tensor) -> tuple[Condition, Tensor]:
    x = x.clone()
    x[0, 1] = (x[0, 1] + 1) % 11
    return told, x


def other_characters(told: Condition, x: Tensor) -> tuple[Condition, Tensor]:
    characters = told.characters.clone()
    characters[0, 1] = ~characters[0, 1]
    return replace(told, characters=characters), x


@pytest.mark.parametrize("cls", [MaskGST, MaskGSTTextFirst])
@pytest.mark.parametrize(
    ("layers", "change", "moved"),
    [
        (("self", "self"), other_caption, [1]),
        (("self", "self"), other_tokens, [1]),
        (("self", "self"), other_characters, [1]),
        (("full", "self"), other_caption, [0, 1, 2]),
        (("full", "full"), other_tokens, [1]),
        (("full", "full"), other_characters, [1]),
        (("sv",), other_tokens, [0, 1, 2]),
        (("sv",), other_caption, [0, 1, 2]),
        (("self", "sv"), other_characters, [0, 1, 2]),
    ],
)
def test_each_layer_sees_what_it_should(prior, condition, *, layers, change, moved, cls) -> None:
    model, told = prior(cls=cls, layers=layers), condition([3, 3])
    assert influence(model, told, change).nonzero().flatten().tolist() == moved


def test_a_frame_that_sees_no_caption_still_lends_its_own(prior, condition) -> None:
    """As in the authors' code: its cross-attention is off, the others' is not."""
    model, told = prior(layers=("full",)), condition([3])
    hidden = told.without_text(torch.tensor([[False, True, False]]))
    assert influence(model, hidden, other_caption).tolist() == [True, False, True]


def test_characters_none_told_and_flipped_differ(prior, condition) -> None:
    model, told = prior(), condition([4, 4])
    x = tokens(model, told)
    seen = [logits(model, c, x) for c in (told, told.flip_characters(), told.without_characters())]
    assert all((a - b).abs().amax() > 1e-2 for i, a in enumerate(seen) for b in seen[:i])


def test_a_cast_of_another_size_is_refused(prior, condition) -> None:
    told = condition([2])
    with pytest.raises(UsageError, match="cast of 3"):
        prior().begin(replace(told, characters=told.characters[..., :2]))
    with pytest.raises(UsageError, match="at most 4"):
        prior(max_frames=4).begin(condition([5]))


def reference(model: MaskGST, told: Condition, x: Tensor) -> Tensor:
    """Story 0, frame by frame and head by head in plain loops, with one explicit mask of who sees whom."""
    frames, grid = told.frames, model.latents.tokens
    image = model.embedding.image(x)[0]
    rows = model.embedding.told(told)
    h = torch.cat([image, rows.rows[0]], 1)  # (T, S, D)
    valid = torch.cat([torch.ones(frames, grid, dtype=torch.bool), rows.mask[0]], 1)
    size = h.shape[1]
    captions = model.captions_norm(rows.captions[0])

    def heads(attention, query, keys, allowed, null):
        outs = []
        q, k, v = attention.query(query), attention.key(keys), attention.value(keys)
        for n in range(attention.heads):
            part = slice(n * attention.head_dim, (n + 1) * attention.head_dim)
            key, value = k[:, part], v[:, part]
            if null:
                key, value = torch.cat([attention.null[0, n], key]), torch.cat([attention.null[1, n], value])
            a = attention.query_norm(q[:, part]) @ attention.key_norm(key).T / attention.head_dim**0.5
            outs.append(a.masked_fill(~allowed, -1e9).softmax(-1) @ value)
        return attention.out(torch.cat(outs, -1))

    for layer in model.layers:
        whole = layer.scope == "story"
        groups = [list(range(frames))] if whole else [[t] for t in range(frames)]
        out = h.clone()
        for group in groups:
            flat, ok = h[group].flatten(0, 1), valid[group].flatten()
            allowed = ok.expand(len(ok), -1)
            if isinstance(model, MaskGSTTextFirst):
                is_image = (torch.arange(size) < grid).repeat(len(group))
                allowed = allowed & (is_image[:, None] | ~is_image)
            normed = layer.attention_norm(flat)
            flat = flat + heads(layer.attention, normed, normed, allowed, False)
            if hasattr(layer, "cross_attention"):
                seen = torch.cat([torch.tensor([True]), rows.captions_mask[0] & bool(rows.shown[0, group[0]])])
                flat = flat + heads(
                    layer.cross_attention, layer.cross_norm(flat), captions, seen.expand(len(flat), -1), True
                )
            flat = flat + layer.feed_forward(layer.feed_forward_norm(flat))
            out[group] = flat.view(len(group), size, -1)
        h = out
    return model.head(model.norm(h[:, :grid])).view(frames, *model.latents.grid, -1)


@pytest.mark.parametrize("cls", [MaskGST, MaskGSTTextFirst])
def test_prediction_equals_a_plain_reference(prior, condition, cls) -> None:
    model = prior(cls=cls, layers=("full", "sv", "self", "full"))
    told = condition([4, 2]).without_text(torch.tensor([[False, True, False, False], [False] * 4]))
    x = tokens(model, told)
    with torch.no_grad():
        expected = reference(model, told, x)
    torch.testing.assert_close(logits(model, told, x)[0], expected, atol=2e-4, rtol=2e-4)


def test_loss_is_cross_entropy_on_masked_tokens_of_real_frames_only(prior, condition, batch) -> None:
    model = prior(drop_text_frame=0.0, drop_text_story=0.0)
    data = batch(condition([5, 3]))
    got = model.loss(data, "main", 0, torch.Generator().manual_seed(7))
    ids = data.latents["target"].data
    masked = draw_mask("cosine", 1.0, (2, 5, 6), False, torch.Generator().manual_seed(7)).view_as(ids)
    out = logits(model, data.condition, ids.masked_fill(masked, model.mask_id))
    counted = masked & data.frame_mask[..., None, None]
    assert got["loss"].item() == pytest.approx(functional.cross_entropy(out[counted], ids[counted]).item(), rel=1e-4)
    assert got["accuracy"].item() == pytest.approx((out[counted].argmax(-1) == ids[counted]).float().mean().item())
    share = masked.flatten(2).float().mean(-1)[..., None, None].expand_as(ids)
    low = 0.0
    for high in (0.25, 0.5, 0.75, 1.0):
        inside = counted & (share > low) & (share <= high)
        assert (f"ce_{high * 100:.0f}" in got) == bool(inside.any())
        if inside.any():
            expected = functional.cross_entropy(out[inside], ids[inside]).item()
            assert got[f"ce_{high * 100:.0f}"].item() == pytest.approx(expected, rel=1e-4)
        low = high
    # Targets that are not masked, or lie in padding frames, count for nothing.
    elsewhere = replace(data.latents["target"], data=torch.where(data.frame_mask[..., None, None], ids, (ids + 1) % 11))
    padded = replace(data, latents={"target": elsewhere})
    again = model.loss(padded, "main", 0, torch.Generator().manual_seed(7))
    assert again["loss"].item() == pytest.approx(got["loss"].item(), rel=1e-5)


def test_rarity_weight_weighs_by_frequency(prior, condition, batch) -> None:
    model = prior(rarity_weight=0.5).train()
    criterion = model.masked_loss
    out, target = torch.randn(40, 11), torch.tensor([0] * 30 + [1] * 9 + [2])
    got = criterion(out, target, torch.ones(40))["loss"]
    frequency = 0.99 * torch.full((11,), 1 / 11) + 0.01 * torch.bincount(target, minlength=11) / 40
    torch.testing.assert_close(criterion.frequency, frequency)
    weight = frequency[target] ** -0.5
    expected = (functional.cross_entropy(out, target, reduction="none") * weight).sum() / weight.sum()
    torch.testing.assert_close(got, expected)
    model.eval()
    criterion(out, target, torch.ones(40))
    torch.testing.assert_close(criterion.frequency, frequency)  # validation changes nothing


@EVERY
def test_gradients_reach_every_parameter(prior, condition, batch, options) -> None:
    model = prior(**options, drop_text_frame=0.4, tokens_per_character=2).train()
    model.loss(batch(condition([4, 4, 4])), "main", 0, torch.Generator().manual_seed(0))["loss"].backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize(
    "options", [{}, {"cls": MaskGSTTextFirst, "rarity_weight": 0.5, "dropout": 0.1, "mask_min": 0.3}]
)
def test_loss_falls_on_a_tiny_set(prior, condition, batch, options) -> None:
    model = prior(scramble=False, layers=("full", "self"), **options).train()
    data = batch(condition([4, 4, 3]))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    generator, losses = torch.Generator().manual_seed(0), []
    for step in range(60):
        loss = model.loss(data, "main", step, generator)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(torch.log(torch.tensor(11.0)).item(), abs=0.3)  # starts out knowing nothing
    assert sum(losses[-5:]) / 5 < 0.6 * losses[0]


def test_dropout_repeats_from_the_generator_and_leaves_the_global_state_alone(prior, condition, batch) -> None:
    model, data = prior(dropout=0.5).train(), batch(condition([3]))
    state = torch.get_rng_state()
    first = model.loss(data, "main", 0, torch.Generator().manual_seed(1))["loss"]
    assert torch.equal(state, torch.get_rng_state())
    torch.rand(3)
    assert torch.equal(first, model.loss(data, "main", 0, torch.Generator().manual_seed(1))["loss"])
    assert not torch.equal(first, model.loss(data, "main", 0, torch.Generator().manual_seed(2))["loss"])


@EVERY
def test_bf16_autocast_is_close_and_trains(prior, condition, batch, options) -> None:
    model, data = prior(scramble=False, **options), batch(condition([4, 2]))
    with torch.no_grad():  # weights of ordinary size: bf16 of wild ones proves nothing
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    with torch.autocast("cpu", torch.bfloat16):
        low = model.loss(data, "main", 0, torch.Generator().manual_seed(0))["loss"]
        predicted = logits(model, data.condition, tokens(model, data.condition))
    low.backward()
    assert predicted.dtype == torch.float32
    assert low.item() == pytest.approx(
        model.loss(data, "main", 0, torch.Generator().manual_seed(0))["loss"].item(), rel=0.02
    )
    torch.testing.assert_close(
        predicted, logits(model, data.condition, tokens(model, data.condition)), atol=0.15, rtol=0.05
    )


def test_training_without_any_word_on_characters_is_refused(prior, condition, batch) -> None:
    with pytest.raises(TrainingError, match="characters"):
        prior().loss(batch(condition([2]).without_characters()), "main", 0, torch.Generator())


def test_features_and_no_text(prior, condition) -> None:
    told = condition([3, 2])
    features = replace(told, text=Text(torch.randn(2, 3, 7, 5), told.text.mask))
    model = prior(text=TextSpec("features", 7, dim=5))
    assert logits(model, features, tokens(model, told)).isfinite().all()
    silent = prior(text=None, layers=("self", "sv"))
    assert logits(silent, told.without_text(), tokens(silent, told)).isfinite().all()
    with pytest.raises(ValueError, match="captions"):
        prior(text=None)
    with pytest.raises(ValueError, match="codebook"):
        prior(latents=LatentSpec("float", (2, 2), channels=4))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"text": 0.19}),
        ({"layers": ["full", "self"]}, {"text": 0.2}),
        ({"layers": ["full"], "drop_text_frame": 0.0}, {}),
        ({"drop_all": 0.1, "drop_characters": 0.3}, {"text": 0.19, "characters": 0.3, "all": 0.1}),
        ({"characters": False, "layers": ["full"]}, {"text": 0.2, "all": 0.2}),
    ],
)
def test_declared_is_what_the_built_prior_has(prior, options, expected) -> None:
    entry = registry().get("prior", "maskgst")
    from gst.schema import validate

    clean, problems = validate(entry.load(), {"layers": ["full", "sv"], **options}, "", "")
    assert problems == []
    assert MaskGST.declared_drops(clean) == pytest.approx(expected)
    assert prior(**{"layers": ("full", "sv"), **options}).drops == pytest.approx(expected)
    assert MaskGST.declared_characters(clean) is prior(**options).takes_characters


@pytest.mark.parametrize("name", ["maskgst", "maskgst-textfirst"])
def test_saved_and_loaded_predicts_the_same(condition, tmp_path, name) -> None:
    bound = {"latents": LatentSpec("ids", (2, 3), 11), "text": TextSpec("ids", 7, 20)}
    bound["cast"] = Cast([Character(n) for n in ("Ann", "Bob", "Cleo")])
    options = {"dim": 32, "heads": 2, "head_dim": 16, "layers": ["full", "sv"], "rarity_weight": 0.5}
    model = registry().create("prior", name, options, bound)
    save_component(model, tmp_path)
    again, told = load_component(tmp_path), condition([3])
    assert torch.equal(logits(model, told, tokens(model, told)), logits(again.eval(), told, tokens(model, told)))


def test_size_of_the_thesis() -> None:
    with torch.device("meta"):
        model = MaskGST(
            dim=1024,
            heads=8,
            tokens_per_character=8,
            latents=LatentSpec("ids", (8, 8), 128),
            text=TextSpec("ids", 69, 2500),
            cast=Cast([Character(f"c{i}") for i in range(9)]),
        )
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(70e6, rel=0.02)
