"""Weights of the default recipe, under the name "demo"."""

from __future__ import annotations

from typing import Any

from gst import hookimpl


@hookimpl
def gst_register(registry: Any) -> None:
    registry.add_weights(
        "demo", "gst_demo:weights", summary="Stories of the built-in world, as recipes/maskgst_cg.yaml draws them"
    )
