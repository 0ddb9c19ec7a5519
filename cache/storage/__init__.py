"""Where files are: paths here, objects behind URLs, locks, and names of what is half-written.

Nothing here knows zarr or what a file holds; URLs are known to `cache.storage.location` alone, which has fsspec.
"""
