"""Samplers of masked priors. Each says which tokens of a step are masked again; `gst_maskgst.decoding` is the loop."""
