"""Training a classifier: rows, targets, the loop, validation; what is kept after each epoch.

Nothing here reads a recording's file or tests on what was held out.

Why it is as it is: `docs/decisions/training.md`.
"""
