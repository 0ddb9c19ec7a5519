"""From a store to batches: which windows, in which order, decoded ahead of use, kept where they fit.

Nothing here knows a label's meaning, a network or an epoch's outcome.

Why it is as it is: `docs/decisions/loading.md`.
"""
