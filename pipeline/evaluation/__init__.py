"""What predictions are worth: held against labels, on held-out records, over folds, for a finished model.

Nothing here changes a model.

Why it is as it is: `docs/decisions/evaluation.md`.
"""
