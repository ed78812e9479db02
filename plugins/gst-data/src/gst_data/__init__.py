"""Data sets of gst. This module is the plugin's entry point and imports nothing heavy."""

from gst import hookimpl


@hookimpl
def gst_register(registry):  # type: ignore[no-untyped-def]
    """Registers this distribution's data sets."""
    registry.add(
        "dataset",
        "story-world",
        "gst_data.story_world:StoryWorld",
        summary="Drawn five-frame stories of nine characters; built in, unlimited, with exact truth (the default)",
    )
