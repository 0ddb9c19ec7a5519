"""What the signals and labels mean: headers, leads, resampling, quality, classes, metric, simulator.

Nothing here knows a path, zarr, dask, click, the network or the clock; torch lives in `ecg.models` alone.

Why it is as it is: `docs/decisions/ecg.md`.
"""
