"""The ingest a user would write: a dask bag of records, wfdb, scipy, and one zarr array a record.

It checks nothing, keeps no labels and journals nothing. Its arrays are compressed as the store's are, so that both
write the same signal at about the same size.
"""

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg12.pipeline.bench.processor import processor_seconds
from ecg12.pipeline.ingest.dask_cluster import local_client


def seconds_of_baseline(headers: Sequence[Path], store: Path, *, fs: float, workers: int) -> tuple[float, float, int]:
    """Convert records the plain way; starting the workers does not count.

    Returns
    -------
    (seconds, seconds of processor, records that wfdb could read)
    """
    import dask
    import dask.bag
    import zarr

    zarr.create_group(store)
    bag = dask.bag.from_sequence([str(path.with_suffix("")) for path in headers], npartitions=8 * workers)
    work = bag.map(partial(_convert, store=str(store), fs=fs))
    if workers == 1:
        _convert(str(headers[0].with_suffix("")), store=str(store.with_name("warm.zarr")), fs=fs)  # imports wfdb
        begun, used = time.perf_counter(), processor_seconds()
        with dask.config.set(scheduler="synchronous"):
            done = work.compute()
        return time.perf_counter() - begun, processor_seconds() - used, sum(done)
    with local_client(workers) as client:
        client.run(_convert, str(headers[0].with_suffix("")), str(store.with_name("warm.zarr")), fs)
        begun, used = time.perf_counter(), processor_seconds()
        done = client.compute(work, sync=True)
        return time.perf_counter() - begun, processor_seconds() - used, sum(done)


def _convert(record: str, store: str, fs: float) -> int:
    """One record; 0 if wfdb cannot read it."""
    import wfdb
    import zarr
    from scipy.signal import resample_poly
    from zarr.codecs import BloscCodec

    try:
        read = wfdb.rdrecord(record)
    except Exception:  # wfdb raises whatever it meets; the caller counts
        return 0
    common = int(np.gcd(int(fs), int(read.fs)))
    physical: NDArray[np.float64] = np.nan_to_num(read.p_signal)
    signal = resample_poly(physical, int(fs) // common, int(read.fs) // common, axis=0).T
    microvolts = np.rint(1000 * signal).astype(np.int16)
    zarr.create_array(
        store,
        name=Path(record).name,
        data=microvolts,
        chunks=microvolts.shape,
        compressors=BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle", typesize=2),
        overwrite=True,
    )
    return 1
