"""Bytes at rest: the store's schema, layout, writer, reader and checksums.

Nothing here knows torch, click, the network, what a code means, or what is train and what is valid; a URL is known to
`cache.storage` alone, which hands it to fsspec.

Why it is as it is: `docs/decisions/cache.md`.
"""
