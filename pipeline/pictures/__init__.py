"""Recordings as pictures on ECG paper, from files or a store.

Nothing here predicts; predictions that lie on disk are shown beside the curves.
"""
