"""Bytes from a host: one file or many, resumed, retried, bounded, proven by a digest.

Nothing here knows which files an ECG dataset has.

Why it is as it is: `docs/decisions/download.md`.
"""
