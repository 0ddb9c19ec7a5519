"""Recordings of any kind: found in folders, tarballs and behind URLs, handed to their readers, and whose they are.

Nothing here knows what is done with a recording.

Why it is as it is: `docs/decisions/recordings.md`.
"""
