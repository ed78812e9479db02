"""Critics for masked decoding: transformers that tell drawn tokens from real ones."""

from __future__ import annotations

from typing import Any

from gst import hookimpl


@hookimpl
def gst_register(registry: Any) -> None:
    registry.add(
        "critic",
        "token-critic",
        "gst_token_critic.token_critic:TokenCritic",
        summary="Tells drawn tokens from real ones, told the captions; trained after the prior",
    )
    registry.add(
        "critic",
        "character-critic",
        "gst_token_critic.character_critic:CharacterCritic",
        summary="Tells drawn tokens from real ones, told who is there; trained together with the prior",
    )
    registry.add(
        "step",
        "separate",
        "gst_token_critic.separate:Separate",
        summary="Takes a prior and a critic apart that were trained together",
    )
