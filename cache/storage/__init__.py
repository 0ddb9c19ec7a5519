"""Where files are: paths here, objects behind URLs, locks, and names of what is half-written.

Nothing here knows zarr or what a file holds; a URL is known to `cache.storage.location` alone, which hands it to fsspec.
"""
