"""gst: a registry of generative models for story visualization."""

from pluggy import HookimplMarker

__version__ = "0.1.0"

hookimpl = HookimplMarker("gst")
