"""What a task is: classes, what counts as positive, negative and unknown, its metric, its split; and the named ones.

Nothing here knows a store, a file or a network; tables come in as arrays, and what a record is to be taught comes out.

Why it is as it is: `docs/decisions/tasks.md`.
"""
