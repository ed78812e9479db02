"""story-world: the built-in data set, drawn and told by rule."""

from gst_data.story_world.dataset import NAME, StoryWorld

__all__ = ["NAME", "StoryWorld"]
