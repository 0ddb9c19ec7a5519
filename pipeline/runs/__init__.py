"""What lies on disk of a run, ours or the reference's: configuration, checkpoints, environment, folders of predictions.

Nothing here trains or predicts; files are read and written whole.

Why it is as it is: `docs/decisions/runs.md`.
"""
