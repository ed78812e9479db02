"""What core itself registers, through the same hook as any plugin."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gst import hookimpl

if TYPE_CHECKING:
    from gst.registry import Registrar


@hookimpl
def gst_register(registry: Registrar) -> None:
    add = registry.add
    add("step", "fit", "gst.steps.fit:Fit", summary="Fits a text component on the captions of a split")
    add("step", "write", "gst.steps.write:Write", summary="Lets a writer write other captions to train on")
    add(
        "step",
        "import-captions",
        "gst.steps.import_captions:ImportCaptions",
        summary="Takes captions that were written elsewhere from a JSON file",
    )
    add("step", "train", "gst.steps.train:Train", summary="Trains anything trainable: tokenizers, priors, critics")
    add("step", "tokenize", "gst.steps.tokenize:Tokenize", summary="Turns the frames of a split into stored tokens")
    add("step", "sample", "gst.steps.sample:Sample", summary="Draws the stories of a split with a trained prior")
    add(
        "step",
        "reconstruct",
        "gst.steps.reconstruct:Reconstruct",
        summary="Encodes and decodes the frames of a split: the ceiling of every prior on that tokenizer",
    )
    add("step", "evaluate", "gst.steps.evaluate:Evaluate", summary="Scores pictures with metrics, floors and ceilings")
    add("step", "report", "gst.steps.report:Report", summary="Writes index.html, the run on one page")
    # A wheel ships the recipes as gst/_recipes; an editable install reads the checkout's.
    shipped = (Path(__file__).parent / "_recipes").is_dir()
    registry.add_recipes("gst:_recipes" if shipped else "gst:../../recipes")
