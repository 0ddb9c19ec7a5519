"""The order of events: download, reading, ingest, split, batches, training, prediction, evaluation.

Nothing here knows click or prints: it logs, reports progress to a callback and returns summaries.
"""
