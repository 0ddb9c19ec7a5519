"""What lies on disk of a run: configurations, checkpoints, environment, folders of predictions; ours and the reference's.

Nothing here trains or predicts; files are read and written whole.
"""
