"""CSV and other text tables: cells, the head above the numbers, times, values.

Nothing here knows another format.
"""
