from __future__ import annotations

import pytest
import torch

from gst_maskgst.choose import choose


def test_choose_draws_from_the_distribution() -> None:
    logits = torch.tensor([0.1, 0.2, 0.3, 0.4]).log()
    uniform = (torch.arange(20000) + 0.5) / 20000

    def shares(**options: float) -> list[float]:
        settings = {"temperature": 1.0, "top_k": 1.0, "top_p": 1.0, **options}
        drawn = choose(logits.expand(20000, 4), uniform, **settings)
        return (torch.bincount(drawn, minlength=4) / 20000).tolist()

    assert shares() == pytest.approx([0.1, 0.2, 0.3, 0.4], abs=1e-3)
    assert shares(temperature=0.5) == pytest.approx([1 / 30, 4 / 30, 9 / 30, 16 / 30], abs=1e-3)
    assert shares(top_k=0.5) == pytest.approx([0, 0, 3 / 7, 4 / 7], abs=1e-3)
    assert shares(top_k=0.01) == pytest.approx([0, 0, 0, 1])
    assert shares(top_p=0.65) == pytest.approx([0, 0, 3 / 7, 4 / 7], abs=1e-3)
    assert shares(top_p=0.75) == pytest.approx([0, 2 / 9, 3 / 9, 4 / 9], abs=1e-3)
    edge = choose(logits.expand(2, 4), torch.tensor([0.0, 1 - 2**-24]), temperature=1.0, top_k=0.5, top_p=1.0)
    assert edge.tolist() == [2, 3]
