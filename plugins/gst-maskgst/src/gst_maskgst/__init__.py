"""MaskGST: the masked generative story transformer, its text, its sampler and its guidance."""

from __future__ import annotations

from typing import Any

from gst import hookimpl


@hookimpl
def gst_register(registry: Any) -> None:
    registry.add("text", "bpe", "gst_maskgst.bpe:Bpe", summary="Byte-pair encoding learned from the captions")
    registry.add("prior", "maskgst", "gst_maskgst.prior:MaskGST", summary="Masked generative story transformer")
    registry.add("sampler", "maskgit", "gst_maskgst.sampler:MaskGit", summary="Parallel decoding of masked tokens")
    registry.add("guidance", "none", "gst_maskgst.guidance.none:NoGuidance", summary="The condition as it is")
    registry.add(
        "guidance", "cfg", "gst_maskgst.guidance.cfg:ClassifierFree", summary="Away from what is drawn without captions"
    )
    registry.add(
        "guidance",
        "negative-prompt",
        "gst_maskgst.guidance.negative_prompt:NegativePrompt",
        summary="Away from what another text describes",
    )
    registry.add(
        "guidance",
        "character",
        "gst_maskgst.guidance.character:CharacterGuidance",
        summary="Towards the characters told, away from the others (CG+, CG-, CG+-)",
    )
