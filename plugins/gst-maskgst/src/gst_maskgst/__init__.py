"""MaskGST: the masked generative story transformer, its text, its sampler and its guidance."""

from __future__ import annotations

from typing import Any

from gst import hookimpl


@hookimpl
def gst_register(registry: Any) -> None:
    registry.add("text", "bpe", "gst_maskgst.bpe:Bpe", summary="Byte-pair encoding learned from the captions")
    registry.add(
        "text",
        "hf-text",
        "gst_maskgst.hf_text:HfText",
        summary="Frozen states of a pre-trained encoder (T5, BERT)",
    )
    registry.add("prior", "maskgst", "gst_maskgst.prior:MaskGST", summary="Masked generative story transformer")
    registry.add(
        "prior",
        "maskgst-dual",
        "gst_maskgst.dual:MaskGSTDual",
        summary="MaskGST on a dual codebook: where characters are first, then each place from its own library",
    )
    registry.add(
        "prior",
        "maskgst-textfirst",
        "gst_maskgst.textfirst:MaskGSTTextFirst",
        summary="MaskGST whose captions do not see the image, so that they are read once a story",
    )
    registry.add(
        "prior",
        "maskgst-superres",
        "gst_maskgst.superres:MaskGSTSuperRes",
        summary="MaskGST on a fine grid that is also told the tokens of a coarse one",
    )
    registry.add(
        "sampler",
        "maskgit",
        "gst_maskgst.samplers.maskgit:MaskGit",
        summary="Parallel decoding, the most confident tokens first, or those that a critic takes for real",
    )
    registry.add(
        "sampler",
        "random",
        "gst_maskgst.samplers.random:RandomOrder",
        summary="Parallel decoding in a random order",
    )
    registry.add(
        "sampler",
        "halton",
        "gst_maskgst.samplers.halton:Halton",
        summary="Parallel decoding, spread over the frame by the Halton sequence",
    )
    registry.add(
        "sampler",
        "entropy",
        "gst_maskgst.samplers.entropy:EntropyOrder",
        summary="Parallel decoding, where the prediction has least entropy first",
    )
    registry.add(
        "sampler",
        "linear-noise",
        "gst_maskgst.samplers.linear_noise:LinearNoise",
        summary="Parallel decoding by the probability itself with uniform noise",
    )
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
