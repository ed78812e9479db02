"""Words about names: what was meant, what to install, what went wrong."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

# Names of our own plugins, so that an error can say what to install.
SUPPLIERS = {
    key: dist
    for dist, keys in {
        "gst-data": ("dataset/story-world", "dataset/codraw", "dataset/story-folder", "writer/grammar"),
        "gst-vq": ("tokenizer/vqvae", "tokenizer/vqgan", "tokenizer/dual-vqgan", "step/disentangle"),
        "gst-maskgst": (
            "text/bpe",
            "text/hf-text",
            "prior/maskgst",
            "prior/maskgst-textfirst",
            "prior/maskgst-dual",
            "prior/maskgst-superres",
            "sampler/maskgit",
            "sampler/random",
            "sampler/halton",
            "sampler/entropy",
            "sampler/linear-noise",
            "guidance/none",
            "guidance/cfg",
            "guidance/negative-prompt",
            "guidance/character",
        ),
        "gst-writers": ("writer/llm", "writer/llm-local"),
        "gst-token-critic": ("critic/token-critic", "critic/character-critic", "step/separate"),
        "gst-metrics": (
            "scorer/character-classifier",
            "metric/char-f1",
            "metric/char-acc",
            "metric/place-acc",
            "metric/position-acc",
            "metric/fid-clf",
            "metric/frame-consistency",
            "metric/psnr",
            "metric/ssim",
            "metric/codebook-use",
            "step/unigram",
            "step/retrieve",
            "step/copy-frame",
            "step/character-masks",
        ),
    }.items()
    for key in keys
}


def normal(dist: str) -> str:
    """A distribution's name in its normal form (PEP 503)."""
    return re.sub(r"[-_.]+", "-", dist).lower()


def suggest(word: str, known: Sequence[str]) -> str:
    """ " Did you mean 'x' or 'y'?", or "" where nothing is near."""
    near = difflib.get_close_matches(word, known, n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""


def describe(error: BaseException) -> str:
    """An exception in one line: its class and its message."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
