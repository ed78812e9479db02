"""The critics' loss and the draws that they learn from, against loops and scikit-learn."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from sklearn.metrics import roc_auc_score

from gst.condition import Condition
from gst.kinds import MaskedPrior
from gst.latents import LatentSpec
from gst_token_critic.loss import area_under_curve, critic_loss
from gst_token_critic.redraw import redraw


def test_loss_is_the_mean_over_all_tokens_of_real_frames() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(2, 3, 2, 2, generator=generator)
    real = torch.rand(2, 3, 2, 2, generator=generator) < 0.5
    frames = torch.tensor([[True, True, False], [True, False, False]])
    terms, hits = [], 0
    for b in range(2):
        for t in range(3):
            for y in range(2):
                for x in range(2):
                    if frames[b, t]:
                        p = 1 / (1 + math.exp(-float(logits[b, t, y, x])))
                        is_real = bool(real[b, t, y, x])
                        terms.append(-math.log(p if is_real else 1 - p))
                        hits += (p > 0.5) == is_real
    found = critic_loss(logits, real, frames)
    assert float(found["loss"]) == pytest.approx(sum(terms) / len(terms))
    assert float(found["accuracy"]) == pytest.approx(hits / len(terms))
    kept = frames[:, :, None, None].expand_as(real)
    assert float(found["auc"]) == pytest.approx(roc_auc_score(real[kept], logits[kept]))
    logits[~kept] = torch.nan
    assert torch.equal(critic_loss(logits, real, frames)["loss"], found["loss"])


def test_area_under_curve_counts_ties_half() -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randint(4, (40,), generator=generator).float()
    truth = torch.rand(40, generator=generator) < 0.3
    assert float(area_under_curve(scores[truth], scores[~truth])) == pytest.approx(roc_auc_score(truth, scores))
    assert float(area_under_curve(torch.ones(3), torch.ones(2))) == 0.5


def test_there_is_no_area_where_all_tokens_were_drawn() -> None:
    drawn = torch.zeros(1, 1, 2, 2, dtype=torch.bool)
    assert set(critic_loss(torch.zeros(drawn.shape), drawn, torch.ones(1, 1, dtype=torch.bool))) == {"loss", "accuracy"}


class Fixed(MaskedPrior):
    """The same distribution at every place; keeps what it was shown."""

    def __init__(self, probabilities: list[float], ban: int | None = None) -> None:
        super().__init__()
        self.latents = LatentSpec("ids", (4, 4), vocab=len(probabilities))
        self.logits, self.ban = torch.tensor(probabilities).log(), ban
        self.eval()

    def begin(self, condition: Condition) -> Any:
        return {"frames": condition.frame_mask}

    def predict(self, state: Any, x: torch.Tensor, t: float) -> tuple[Any, Any]:
        self.x, self.t = x, t
        return self.logits.expand(*x.shape, -1), state

    def allowed(self, state: Any) -> torch.Tensor | None:
        shape = (*state["frames"].shape, *self.latents.grid, self.latents.vocab)
        return None if self.ban is None else (torch.arange(self.latents.vocab) != self.ban).expand(shape)

    def loss(self, *_: Any) -> Any:
        raise NotImplementedError


def draw(prior: MaskedPrior, ids: torch.Tensor, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    condition = Condition(tuple("abc"[: len(ids)]), torch.ones(ids.shape[:2], dtype=torch.bool))
    return redraw(prior, condition, ids, "cosine", torch.Generator().manual_seed(seed))


def test_masked_tokens_are_drawn_from_the_prior_and_the_others_stay() -> None:
    prior = Fixed([0.1, 0.2, 0.3, 0.4])
    ids = torch.randint(4, (3, 200, 4, 4), generator=torch.Generator().manual_seed(1))
    shown, real = draw(prior, ids)
    assert torch.equal(shown[real], ids[real])
    assert torch.equal(prior.x, ids.masked_fill(~real, prior.mask_id))
    shares = torch.bincount(shown[~real], minlength=4) / (~real).sum()
    assert shares.tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4], abs=0.02)
    assert prior.t == pytest.approx(float((~real).float().mean()))
    # Every frame has a share of its own: the mean of cos(pi r / 2) over r is 2 / pi, plus half a token of rounding up.
    assert prior.t == pytest.approx(2 / math.pi + 0.5 / 16, abs=0.02)
    assert bool((~real).flatten(2).any(-1).all())
    again, same = draw(prior, ids)
    assert torch.equal(shown, again)
    assert torch.equal(real, same)
    assert not torch.equal(draw(prior, ids, seed=1)[1], real)


def test_ids_that_the_prior_rules_out_are_not_drawn() -> None:
    shown, real = draw(Fixed([0.1, 0.2, 0.3, 0.4], ban=3), torch.zeros(2, 20, 4, 4, dtype=torch.long))
    assert set(shown[~real].tolist()) == {0, 1, 2}
