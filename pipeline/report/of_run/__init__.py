"""The report of a run: learning, answers, scores by class, configuration.

Nothing here draws by itself: `pipeline.report.drawing` does.
"""
