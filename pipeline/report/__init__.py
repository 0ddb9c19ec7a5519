"""What a run or a store is worth looking at, as one HTML file that needs nothing else.

Nothing here computes a score: `pipeline.evaluation` does.

Why it is as it is: `docs/decisions/report.md`.
"""
