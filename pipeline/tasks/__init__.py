"""Tasks from their files, what they find in a store, and what of it counts for whom.

Nothing here trains or scores: `ecg.tasks` knows what a task means, and this room brings it files and stores.

Why it is as it is: `docs/decisions/tasks.md`.
"""
