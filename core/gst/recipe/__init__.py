"""Recipes: YAML that says which components there are and how steps wire them together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gst.recipe.blueprint import Blueprint
    from gst.recipe.load import load_recipe
    from gst.recipe.spec import Recipe, Ref, Spec

_EXPORTS = {
    "Blueprint": "gst.recipe.blueprint",
    "Recipe": "gst.recipe.spec",
    "Ref": "gst.recipe.spec",
    "Spec": "gst.recipe.spec",
    "load_recipe": "gst.recipe.load",
}

__all__ = ["Blueprint", "Recipe", "Ref", "Spec", "load_recipe"]


def __getattr__(name: str) -> Any:
    import importlib

    if name not in _EXPORTS:
        raise AttributeError(f"module 'gst.recipe' has no attribute '{name}'")
    return getattr(importlib.import_module(_EXPORTS[name]), name)
