"""`bench ingest`: WFDB records to a store, against what a user would write and against reading the bytes alone.

All are measured in turn, several times over, and the best of each counts: other work on the machine only ever
slows, and never all of them alike. Starting workers does not count for either side, and is stated.
"""

import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ecg12.cache.schema import StoreConfig
from ecg12.ecg.errors import InputError
from ecg12.pipeline.bench.baseline import seconds_of_baseline
from ecg12.pipeline.bench.ingest_stages import seconds_by_stage
from ecg12.pipeline.bench.processor import Meter
from ecg12.pipeline.ingest.build_cache import build_cache
from ecg12.pipeline.ingest.plan import PlannedRecord, plan_records
from ecg12.pipeline.runtime.progress import Progress, silent
from ecg12.pipeline.simulate import PATIENTS, simulate

REPEATS = 3
DURATION_S = 10.0
SEED = 2020


@dataclass(frozen=True, kw_only=True, slots=True)
class IngestRow:
    """One way of doing it: how many records a second, with how many workers, and how that compares.

    Attributes
    ----------
    start_s : starting the workers, not counted
    processor_s : of all processes together; that and not `seconds` can be compared on a machine with other work to do
    over_baseline : times the baseline's rate at the same number of workers; NaN where there is none
    over_one : times its own rate with one worker
    """

    what: str
    workers: int
    n_records: int
    seconds: float
    start_s: float
    processor_s: float
    over_baseline: float
    over_one: float

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.n_records / self.seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class IngestBench:
    """What was measured.

    Attributes
    ----------
    rows : one for each way and number of workers
    stages : stage → seconds a record, in one process; "all" is the whole
    n_records, n_bytes, seconds_of_signal : of the records measured on
    plan_s : reading all headers, the best
    n_unread : records of the baseline's that wfdb could not read
    """

    rows: tuple[IngestRow, ...]
    stages: dict[str, float]
    n_records: int
    n_bytes: int
    seconds_of_signal: float
    plan_s: float
    n_unread: int


def run(
    inputs: Sequence[Path] = (),
    *,
    n_records: int = 4000,
    folder: Path | None = None,
    workers: Sequence[int] = (1, 2),
    baseline_records: int = 500,
    progress: Progress = silent,
) -> IngestBench:
    """Measure.

    Parameters
    ----------
    inputs : records to measure on; none for ten-second records of the simulator
    n_records, folder : of the simulated corpus, and where to keep it for the next run; else a temporary folder
    baseline_records : the baseline is given only so many, evenly spread: its rate does not depend on it

    Raises
    ------
    InputError
        If there is no record, or `folder` holds another corpus than the one wanted.
    """
    config = StoreConfig()
    if folder is not None:
        folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent if folder else None) as name:
        work = Path(name)
        inputs = inputs or (_corpus(folder or work / "corpus", n_records, progress),)
        records = plan_records(inputs, config).records
        if not records:
            raise InputError(f"{inputs[0]}: no record can be taken; expected WFDB records")
        headers = [record.path for record in records if isinstance(record.path, Path)]
        files = [file for header in headers for file in (header, header.with_suffix(".mat")) if file.exists()]
        n_bytes = sum(file.stat().st_size for file in files)
        sample = headers[:: max(len(records) // baseline_records, 1)]
        best: dict[tuple[str, int], _Run] = {}

        def take(what: str, n_workers: int, *figures: float) -> None:
            found = _Run(*figures)
            best[what, n_workers] = min(best.get((what, n_workers), found), found)

        plan_s, n_unread = float("inf"), 0
        with progress("bench ingest", REPEATS * (2 * len(workers) + 1), "runs") as task:
            for _ in range(REPEATS):
                take(_FLOOR, 1, *_seconds_to_read(files), len(records))
                task.advance()
                for n_workers in workers:
                    meter = Meter("build-cache")
                    summary = build_cache(inputs, work / "ours.zarr", config, workers=n_workers, progress=meter)
                    shutil.rmtree(work / "ours.zarr")
                    plan_s = min(plan_s, summary.plan_seconds)
                    take(_OURS, n_workers, summary.seconds, meter.seconds, len(records), summary.start_seconds)
                    task.advance()
                    seconds, processor_s, n_read = seconds_of_baseline(
                        sample, work / "baseline.zarr", fs=config.fs, workers=n_workers
                    )
                    shutil.rmtree(work / "baseline.zarr")
                    n_unread = len(sample) - n_read
                    take(_BASELINE, n_workers, seconds, processor_s, n_read)
                    task.advance()
        return IngestBench(
            rows=_rows(best),
            stages=_stages(records, config, work),
            n_records=len(records),
            n_bytes=n_bytes,
            seconds_of_signal=sum(record.length for record in records) / config.fs,
            plan_s=plan_s,
            n_unread=n_unread,
        )


_OURS = "build-cache"
_BASELINE = "dask.bag, wfdb, scipy, an array a record"
_FLOOR = "reading the bytes and nothing else"


def _corpus(folder: Path, n_records: int, progress: Progress) -> Path:
    """Simulated records of ten seconds and less; made once, if the folder is kept."""
    if not (folder / PATIENTS).exists():
        simulate(folder, n_records, seed=SEED, max_duration_s=DURATION_S, progress=progress)
    n_found = sum(1 for _ in folder.rglob("*.hea"))
    if n_found != n_records:
        raise InputError(f"{folder}: holds {n_found} records; expected {n_records}: name another folder")
    return folder


class _Run(NamedTuple):
    """One way, once; the quickest is the smallest."""

    seconds: float
    processor_s: float
    n_records: float
    start_s: float = 0.0


def _seconds_to_read(files: Sequence[Path]) -> tuple[float, float]:
    begun, used = time.perf_counter(), time.process_time()
    for file in files:
        file.read_bytes()
    return time.perf_counter() - begun, time.process_time() - used


def _rows(best: dict[tuple[str, int], _Run]) -> tuple[IngestRow, ...]:
    rates = {key: run.n_records / run.seconds for key, run in best.items()}
    nan = float("nan")
    return tuple(
        IngestRow(
            what=what,
            workers=workers,
            n_records=int(run.n_records),
            seconds=run.seconds,
            start_s=run.start_s,
            processor_s=run.processor_s,
            over_baseline=rates[what, workers] / rates.get((_BASELINE, workers), nan),
            over_one=rates[what, workers] / rates.get((what, 1), nan),
        )
        for (what, workers), run in sorted(best.items(), key=lambda item: _ORDER[item[0][0]])
    )


_ORDER = {_FLOOR: 0, _BASELINE: 1, _OURS: 2}


def _stages(records: Sequence[PlannedRecord], config: StoreConfig, work: Path) -> dict[str, float]:
    """The quickest of several goes, over as many records as fill a chunk."""
    chosen, filled = [], 0
    for record in records:
        if filled + record.length <= config.chunk_length:
            chosen.append(record)
            filled += record.length
    return min((seconds_by_stage(chosen, config, work) for _ in range(REPEATS)), key=lambda stages: stages["all"])
