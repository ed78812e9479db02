"""The command `gst`. Nothing but click is imported before a command is chosen."""

from gst.cli.main import main

__all__ = ["main"]
