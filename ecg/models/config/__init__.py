"""How models, stages and objectives are configured, and the names that they may be given.

Nothing here imports torch, so that the help can show defaults at once.
"""
