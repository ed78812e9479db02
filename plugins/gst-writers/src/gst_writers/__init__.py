"""Language models that put captions into other words."""

from __future__ import annotations

from typing import Any

from gst import hookimpl


@hookimpl
def gst_register(registry: Any) -> None:
    registry.add(
        "writer",
        "llm",
        "gst_writers.llm:Llm",
        summary="A language model behind an endpoint of OpenAI's kind puts captions into other words",
    )
    registry.add(
        "writer",
        "llm-local",
        "gst_writers.local:LocalLlm",
        summary="A language model of Hugging Face transformers on this machine puts captions into other words",
    )
