"""`python -m gst` is `gst`."""

from gst.cli import main

main()
