"""Bringing the datasets and the published weights: what is wanted, what is there, proven and told in a manifest.

Nothing here speaks HTTP: `pipeline.http` does.

Why it is as it is: `docs/decisions/download.md`.
"""
