"""From scores to labels: what a model's outputs stand for, thresholds, ranks, and several models' answers joined.

Nothing here knows how a rule was fitted or what it is worth; that is asked of `ecg.scores`.

Why it is as it is: `docs/decisions/ecg.md`.
"""
