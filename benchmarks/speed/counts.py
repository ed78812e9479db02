"""What the sides are made of: parameters, and operations by torch.utils.flop_counter."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from .clock import Run
from .compare import FIRST
from .decoder import Decoder
from .muse import Muse
from .ours import Ours
from .size import Size


def counts(size: Size) -> dict[str, dict[str, int]]:
    """Of each side: parameters; operations of a training step, and of drawing a story with guidance."""
    rows = {}
    muse = Muse(size)
    for name, ours in (("gst", Ours(size)), (FIRST, Ours(size, prior="maskgst-textfirst"))):
        rows[name] = {
            "parameters": ours.parameters,
            "training step": flops(ours.training("fp32")),
            "story": flops_of_steps(lambda n, o=ours: o.sampling("fp32", n), size.steps),
        }
    rows["muse"] = {
        "parameters": muse.parameters,
        "training step": flops(muse.training("fp32")),
        "story": flops_of_steps(lambda n: muse.sampling("fp32", n), size.steps),
    }
    decoder = Decoder(size, bf16=False)
    drawn = flops_of_steps(lambda n: decoder.sampling(n, guided=True), size.grid**2)
    return {**rows, "GPT-2 with a cache": {"parameters": decoder.parameters, "story": drawn}}


def flops(run: Run) -> int:
    """Operations of the matrix products in one call (a product and a sum are two).

    Attention runs as the plain products that it is made of meanwhile, since fused CPU attention is not counted.
    """
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        run()
    return int(counter.get_total_flops())


def flops_of_steps(sampling: Callable[[int], Run], steps: int) -> int:
    """Operations of `sampling(steps)`, from two steps and from three: each further step costs the same."""
    with torch.inference_mode():
        two, three = flops(sampling(2)), flops(sampling(3))
    return two + (steps - 2) * (three - two)
