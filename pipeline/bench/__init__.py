"""Benchmarks: how fast a part of the work is on this machine, against a baseline in the same run.

Nothing here is a test, and nothing of the product depends on it.
"""
