"""A run's model as one file for other programs: its portable form, the files of each format, the check, the card.

Nothing here imports a package that only exporting needs before it is needed.

Why it is as it is: `docs/decisions/export.md`.
"""
