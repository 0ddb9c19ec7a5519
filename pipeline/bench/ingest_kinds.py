"""`bench ingest --kind`: recordings of another kind than WFDB to a store, against their library's own reading.

The library's reading alone, one file after another, is the floor of whatever uses it; what a user would write around it
(scipy's resampling, one zarr array a recording) is the baseline. A build plans before it converts, and its whole time
counts, but for starting workers.
"""

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecg12.cache.schema import StoreConfig
from ecg12.ecg.errors import ConfigError
from ecg12.pipeline.bench.recordings_of_kinds import FS, READERS, write_recordings
from ecg12.pipeline.formats.told_by_user import InputConfig
from ecg12.pipeline.ingest.build_cache import build_cache
from ecg12.pipeline.runtime.progress import Progress, silent

REPEATS = 3
TOLD = InputConfig(fs=FS, units="uV", leads=("standard",), prefix="source-", with_source=True)
"""What arrays do not say; tables say all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KindRow:
    """One way of doing it.

    Attributes
    ----------
    over_baseline, over_reading : times the rate of the baseline, and of the library's reading alone, one at a time
    """

    what: str
    workers: int
    n_records: int
    seconds: float
    over_baseline: float
    over_reading: float

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.n_records / self.seconds


def run(
    kind: str, *, n_records: int = 400, workers: Sequence[int] = (1, 2), progress: Progress = silent
) -> tuple[KindRow, ...]:
    """Measure each way `REPEATS` times in turn; the best of each counts.

    Raises
    ------
    ConfigError
        If there is no such kind.
    InputError
        If a library that only development has is not there.
    """
    if kind not in READERS:
        raise ConfigError(f"kind is {kind!r}; expected wfdb, {', '.join(READERS)}")
    name, read = READERS[kind]
    with tempfile.TemporaryDirectory() as made:
        work = Path(made)
        paths = write_recordings(work / "in", kind, n_records)
        ways: dict[tuple[str, int], Callable[[], float]] = {
            (f"{name}, and nothing else", 1): lambda: _seconds_of(lambda: [read(path) for path in paths]),
            (f"{name}, scipy, an array a record", 1): lambda: _baseline(paths, kind, work / "baseline.zarr"),
        }
        for n_workers in workers:
            ways["build-cache", n_workers] = lambda n=n_workers: _build(work, kind, n)  # type: ignore[misc]
        best = dict.fromkeys(ways, float("inf"))
        with progress("bench ingest", REPEATS * len(ways), "runs") as task:
            for _ in range(REPEATS):
                for way, measure in ways.items():
                    best[way] = min(best[way], measure())
                    task.advance()
    floor, baseline = list(best.values())[:2]
    return tuple(
        KindRow(
            what=what,
            workers=n_workers,
            n_records=n_records,
            seconds=seconds,
            over_baseline=baseline / seconds,
            over_reading=floor / seconds,
        )
        for (what, n_workers), seconds in best.items()
    )


def _seconds_of(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _build(work: Path, kind: str, n_workers: int) -> float:
    told = TOLD if kind in ("npy", "mat") else InputConfig(prefix="source-", with_source=True)
    summary = build_cache([work / "in"], work / "ours.zarr", StoreConfig(), told=told, workers=n_workers)
    shutil.rmtree(work / "ours.zarr")
    return summary.plan_seconds + summary.seconds


def _baseline(paths: Sequence[Path], kind: str, store: Path) -> float:
    import zarr

    zarr.create_group(store, overwrite=True)
    begun = time.perf_counter()
    for path in paths:
        _convert(path, kind, store)
    return time.perf_counter() - begun


def _convert(path: Path, kind: str, store: Path) -> None:
    import zarr
    from scipy.signal import resample_poly
    from zarr.codecs import BloscCodec

    signal = resample_poly(READERS[kind][1](path), 4, 5, axis=1)
    microvolts = np.rint(signal).astype(np.int16)
    zarr.create_array(
        store,
        name=path.stem,
        data=microvolts,
        chunks=microvolts.shape,
        compressors=BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle", typesize=2),
    )
