"""Perceptual losses, one a file."""
