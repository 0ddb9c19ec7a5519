"""A page and what stands on it: markup, tables, charts, ECG paper, as text.

Nothing here knows a run or a store; plain values come in.
"""
