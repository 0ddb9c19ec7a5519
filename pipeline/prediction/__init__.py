"""Scores and labels of recordings by one model or several, written in the Challenge's form; and what they rest on.

Nothing here knows the truth.

Why it is as it is: `docs/decisions/prediction.md`.
"""
