"""Tables of labels: which rows are of which records, and what they state of them.

Nothing here knows a header, a sample, or what a class is.
"""
