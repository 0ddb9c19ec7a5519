"""Code from outside this program: how it is found, whether the user named it, what it must be, what is recorded of it.

Nothing here knows a run, a store or a recording's file, and nothing is imported because a file names it.

Why it is as it is: `docs/decisions/plugins.md`.
"""
