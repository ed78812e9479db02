"""gst: a registry of generative models for story visualization.

    import gst

    guidance = gst.build("guidance", "character", scale=0.2)
    pipe = gst.load("runs/maskgst_cg-1")
    story = pipe(["Bobo walks in the forest.", "She meets Pim there."], seed=3)
    story.save("story.png")

Names are imported when they are first used; `import gst` alone imports no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from pluggy import HookimplMarker

__version__ = "0.1.0"

hookimpl = HookimplMarker("gst")

if TYPE_CHECKING:
    from gst.building import build
    from gst.cast import Cast, Character
    from gst.comparison.assemble import compare
    from gst.comparison.published import published
    from gst.comparison.table import Comparison
    from gst.component import Bound, Component
    from gst.condition import Condition, TextSpec
    from gst.drawn import DrawnStory
    from gst.errors import (
        CheckpointError,
        DataError,
        GstError,
        OptionError,
        PluginError,
        RecipeError,
        StoreError,
        TrainingError,
        UsageError,
    )
    from gst.latents import Latents, LatentSpec
    from gst.loading import load
    from gst.pipeline import StoryPipeline
    from gst.run import run_recipe
    from gst.story import Story
    from gst.studying.run import study
    from gst.sweeping import sweep

_EXPORTS = {
    "build": "gst.building",
    "compare": "gst.comparison.assemble",
    "published": "gst.comparison.published",
    "Cast": "gst.cast",
    "Character": "gst.cast",
    "Bound": "gst.component",
    "Comparison": "gst.comparison.table",
    "Component": "gst.component",
    "Condition": "gst.condition",
    "TextSpec": "gst.condition",
    "DrawnStory": "gst.drawn",
    "CheckpointError": "gst.errors",
    "DataError": "gst.errors",
    "GstError": "gst.errors",
    "OptionError": "gst.errors",
    "PluginError": "gst.errors",
    "RecipeError": "gst.errors",
    "StoreError": "gst.errors",
    "TrainingError": "gst.errors",
    "UsageError": "gst.errors",
    "Latents": "gst.latents",
    "LatentSpec": "gst.latents",
    "StoryPipeline": "gst.pipeline",
    "load": "gst.loading",
    "run_recipe": "gst.run",
    "Story": "gst.story",
    "study": "gst.studying.run",
    "sweep": "gst.sweeping",
}

__all__ = [
    "Bound",
    "Cast",
    "Character",
    "CheckpointError",
    "Comparison",
    "Component",
    "Condition",
    "DataError",
    "DrawnStory",
    "GstError",
    "LatentSpec",
    "Latents",
    "OptionError",
    "PluginError",
    "RecipeError",
    "StoreError",
    "Story",
    "StoryPipeline",
    "TextSpec",
    "TrainingError",
    "UsageError",
    "__version__",
    "build",
    "compare",
    "hookimpl",
    "load",
    "published",
    "run_recipe",
    "study",
    "sweep",
]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'gst' has no attribute '{name}'")
    value = getattr(importlib.import_module(_EXPORTS[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
