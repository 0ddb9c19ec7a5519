"""A network on batches: precision, several ranks, windows fed to several models, logits in any order.

Nothing here knows a run folder or why the network runs.

Why it is as it is: `docs/decisions/compute.md`.
"""
