"""What several commands share: options as tables, summaries as text, progress, what is asked of the whole process.

Nothing here is a command, and nothing slow is imported before it is needed.
"""
