"""Blocks that several plugins build their models from. Complete models live in plugins."""
