"""The order of events, a room for each stage of a record's journey from a host to a score.

Nothing here knows click or prints: it logs, reports progress to a callback and returns summaries.
"""
