"""Pretraining on every record without its labels, with the loop and the loader of `pipeline.training`.

Nothing here knows a class.

Why it is as it is: `docs/decisions/pretraining.md`.
"""
