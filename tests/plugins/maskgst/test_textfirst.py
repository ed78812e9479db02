from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gst.kinds.prior import MaskedPrior
from gst.plugins import registry
from gst_maskgst.prior import MaskGST
from gst_maskgst.textfirst import MaskGSTTextFirst

LAYERS = [("full", "self", "sv", "self"), ("sv", "full", "sv"), ("self", "full"), ("full",)]


def loss(model: MaskGST, data, *, apart: bool) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """What `loss` gives, and the gradients; apart: by what decoding does, `begin` and then `_hidden`."""
    model.zero_grad()
    if apart:
        model._one_pass = lambda told, x: model._hidden(model.begin(told), x)
    out = model.loss(data, "main", 0, torch.Generator().manual_seed(3))
    model.__dict__.pop("_one_pass", None)
    out["loss"].backward()
    return out, {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("layers", LAYERS, ids="-".join)
@pytest.mark.parametrize("characters", [True, False])
def test_one_pass_in_training_is_what_decoding_predicts(prior, condition, batch, layers, characters) -> None:
    model = prior(cls=MaskGSTTextFirst, layers=layers, characters=characters, drop_text_frame=0.3, drop_all=0.2)
    model = model.double().train()
    data = batch(condition([5, 3, 4]))
    (one, own), (two, others) = loss(model, data, apart=False), loss(model, data, apart=True)
    torch.testing.assert_close(one, two, rtol=1e-9, atol=0)
    assert own.keys() == others.keys()
    largest = max(float(gradient.abs().max()) for gradient in others.values())
    for name, gradient in own.items():
        torch.testing.assert_close(gradient, others[name], rtol=1e-6, atol=1e-10 * largest, msg=name)


def test_one_pass_without_any_text(prior, condition, batch) -> None:
    model = prior(cls=MaskGSTTextFirst, drop_text_story=1.0).double().train()
    data = batch(condition([4, 2]))
    silent = replace(data, condition=data.condition.without_text())
    torch.testing.assert_close(loss(model, silent, apart=False), loss(model, silent, apart=True))


def test_only_image_rows_are_computed_in_a_step(prior, condition) -> None:
    """Each linear map of every layer meets N rows a frame in `predict`; what is told was met in `begin`."""
    model, told = prior(cls=MaskGSTTextFirst), condition([4, 2])
    state = model.begin(told)
    x = torch.full((2, 4, *model.latents.grid), model.mask_id)
    met = []
    for layer in model.layers:
        for module in layer.modules():
            if isinstance(module, torch.nn.Linear):
                module.register_forward_hook(lambda module, args, out: met.append(args[0].shape[:-1].numel()))
    model.predict(state, x, 1.0)
    # One row alone is the null row, which a frame without captions hears.
    assert set(met) - {1} == {2 * 4 * model.latents.tokens}


def test_another_model_with_the_same_weights(prior, condition) -> None:
    first, thesis = prior(cls=MaskGSTTextFirst), prior()
    thesis.load_state_dict(first.state_dict())
    told = condition([4])
    x = torch.full((1, 4, *first.latents.grid), first.mask_id)
    with torch.no_grad():
        ours, theirs = (model.predict(model.begin(told), x, 1.0)[0] for model in (first, thesis))
    assert not torch.allclose(ours, theirs, atol=1e-2)


def test_registered_with_all_options_of_maskgst() -> None:
    first, thesis = (registry().get("prior", name).load() for name in ("maskgst-textfirst", "maskgst"))
    assert first is MaskGSTTextFirst
    assert issubclass(first, MaskedPrior)
    assert first.__init__ is thesis.__init__
