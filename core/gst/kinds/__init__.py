"""The kinds of component and their contracts, one file each."""

from __future__ import annotations

from gst.kinds.critic import Critic
from gst.kinds.dataset import Dataset, Finding, StorySet
from gst.kinds.guidance import Branch, Guidance
from gst.kinds.metric import Metric
from gst.kinds.prior import MaskedPrior, Prior
from gst.kinds.sampler import Sampler
from gst.kinds.scorer import Scorer
from gst.kinds.step import Estimate, Step
from gst.kinds.text import TextEncoder
from gst.kinds.tokenizer import Tokenizer
from gst.kinds.tracker import Tracker
from gst.kinds.trainable import Phase, Trainable
from gst.kinds.writer import Original, Writer, Written

KINDS: dict[str, type] = {
    "dataset": Dataset,
    "tokenizer": Tokenizer,
    "text": TextEncoder,
    "prior": Prior,
    "critic": Critic,
    "guidance": Guidance,
    "sampler": Sampler,
    "scorer": Scorer,
    "metric": Metric,
    "writer": Writer,
    "step": Step,
    "tracker": Tracker,
}

__all__ = [
    "KINDS",
    "Branch",
    "Critic",
    "Dataset",
    "Estimate",
    "Finding",
    "Guidance",
    "MaskedPrior",
    "Metric",
    "Original",
    "Phase",
    "Prior",
    "Sampler",
    "Scorer",
    "Step",
    "StorySet",
    "TextEncoder",
    "Tokenizer",
    "Tracker",
    "Trainable",
    "Writer",
    "Written",
]
