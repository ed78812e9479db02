"""Measurements that are run by hand. They are no part of the package."""
