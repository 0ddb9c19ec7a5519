"""Writing a store: its build folder, whole chunks and journal, tables, and the rename that makes it one.

Nothing here reads a recording or decides which records belong where: the plan and the blocks come from outside.
"""
