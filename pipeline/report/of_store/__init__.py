"""The report of a store: records, labels, quality, examples.

Nothing here draws by itself: `pipeline.report.drawing` does.
"""
