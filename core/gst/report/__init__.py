"""The report: a run on one self-contained page."""

from __future__ import annotations

from gst.report.collect import collect
from gst.report.page import Page, render

__all__ = ["Page", "collect", "render"]
