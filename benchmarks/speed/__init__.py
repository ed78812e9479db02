"""Paired measurements of gst's MaskGST against other people's code. `python -m benchmarks.speed --help`."""
