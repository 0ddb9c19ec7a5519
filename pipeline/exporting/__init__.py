"""What a model is exported as: its portable form, the files of each format, the check, the card.

Nothing here imports a package that only exporting needs before it is needed.
"""
