"""Tables of labels: how they are understood, which rows are of which records, and what those state.

Nothing here knows a header, a sample, or what a class is. Why: `docs/decisions/labels.md`.
"""
