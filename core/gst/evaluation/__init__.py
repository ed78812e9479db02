"""Scoring pictures: which pictures a metric sees, and how sure a number is."""
