"""Bytes at rest: the store's schema, layout, writer, reader and checksums.

Nothing here knows torch, click, a URL, what a code means, or what is train and what is valid.
"""
