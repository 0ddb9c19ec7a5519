"""The commands: each makes one configuration of its options, one call into the pipeline, and a summary in words.

Nothing here knows torch, arrays, zarr, dask or wfdb, and no work is done here; whatever is slow to import is imported
by the command that needs it, so that the help is there at once.
"""
