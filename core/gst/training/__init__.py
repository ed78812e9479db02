"""Training: the one loop, its data source, optimizers and schedules."""

from __future__ import annotations

from gst.training.loop import train
from gst.training.settings import Settings
from gst.training.source import StorySource, cached

__all__ = ["Settings", "StorySource", "cached", "train"]
