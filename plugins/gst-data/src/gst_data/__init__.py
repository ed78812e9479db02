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
    registry.add(
        "dataset",
        "story-folder",
        "gst_data.story_folder:StoryFolder",
        summary="Your own stories: a folder with stories.jsonl and pictures",
    )
    registry.add(
        "dataset",
        "codraw",
        "gst_data.codraw:CoDraw",
        summary="5,048 five-frame stories from CoDraw's dialogs: people's words, clip-art pictures (CC BY-NC 4.0)",
    )
    registry.add(
        "writer",
        "grammar",
        "gst_data.story_world.writer:GrammarWriter",
        summary="Tells stories of story-world again, in other words and sentences, by rule",
    )
