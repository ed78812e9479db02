"""The steps that core brings."""
