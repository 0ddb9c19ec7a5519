"""A store of as many ten-second records as wanted, made of a pool of different ones in seconds.

Repeated signals do not make it easier to read: each chunk is compressed alone, and holds some sixty of the pool's
hundreds in an order of its own.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.layout import plan_layout
from ecg12.cache.schema import SIGNAL, RecordRow, StoreConfig
from ecg12.cache.writing.build_folder import build_folder, build_lock
from ecg12.cache.writing.finalise import finalise, move_into_place
from ecg12.cache.writing.writer import create_store, write_chunk
from ecg12.ecg.errors import InputError
from ecg12.ecg.labels.snomed import EQUIVALENTS, SCORED_CLASSES, SCORED_CODES
from ecg12.ecg.signals.quality import compute_scale
from ecg12.ecg.signals.resample import resample
from ecg12.ecg.synthetic import PlannedRecord, SimulatedRecord, plan_corpus, simulate_record
from ecg12.pipeline.runtime.progress import Progress, silent

POOL_RECORDS = 512
DISTINCT_CHUNKS = 128
FS_SOURCE = 500.0
N_SAMPLES = 5000
SEED = 2020


def simulate_pool(n_records: int = POOL_RECORDS, *, progress: Progress = silent) -> list[SimulatedRecord]:
    """Different records of exactly ten seconds at 500 Hz, as PTB-XL's and Georgia's are."""
    planned: list[PlannedRecord] = []
    n_planned = n_records
    while len(planned) < n_records:
        n_planned += n_records // 2 + 10
        corpus = plan_corpus(n_planned, seed=SEED, datasets=("georgia", "ptb-xl"))
        planned = [one for one in corpus if (one.fs, one.n_samples) == (FS_SOURCE, N_SAMPLES)]
    pool = []
    with progress("simulate", n_records, "records") as task:
        for one in planned[:n_records]:
            pool.append(simulate_record(one))
            task.advance()
    return pool


def write_pool(folder: Path, pool: Sequence[SimulatedRecord]) -> list[Path]:
    """The pool as `.mat` files, and where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{record.dataset}-{record.record_name}.mat" for record in pool]
    for path, record in zip(paths, pool, strict=True):
        path.write_bytes(record.mat_bytes)
    return paths


def write_pool_store(
    path: Path,
    pool: Sequence[SimulatedRecord],
    n_records: int,
    config: StoreConfig,
    *,
    distinct_chunks: int = DISTINCT_CHUNKS,
    progress: Progress = silent,
) -> None:
    """A complete store of `n_records` records, each one of the pool under a name of its own.

    Beyond `distinct_chunks`, chunks are further links to the first ones' files: all have their records in the same
    columns, so only which signal a record has is another than by its number.
    """
    stored = [_to_stored(record, config.fs) for record in pool]
    scales = [float(compute_scale(signal)) for signal in stored]
    rows = [_row(number, pool[number % len(pool)], scales[number % len(pool)], stored) for number in range(n_records)]
    lengths = np.array([row.length for row in rows])
    keys = [(row.dataset, row.name) for row in rows]
    layout = plan_layout(keys, lengths, chunk_length=config.chunk_length, seed=config.seed)
    with build_lock(path):
        built = path.with_name(build_folder(path).name) / path.name
        create_store(built, config, layout.n_chunks)
        digests: dict[int, str] = {}
        by_start = np.argsort(layout.start)
        chunk_of = layout.start[by_start] // config.chunk_length
        with progress("write store", layout.n_chunks, "chunks") as task:
            for chunk in range(layout.n_chunks):
                same = chunk % distinct_chunks
                if same < chunk < layout.n_chunks - 1:  # the last one may be less full
                    folder = built / SIGNAL.path / "c" / "0"
                    (folder / str(chunk)).hardlink_to(folder / str(same))
                    digests[chunk] = digests[same]
                    task.advance()
                    continue
                block = np.zeros((len(config.leads), config.chunk_length), np.int16)
                for number in by_start[np.searchsorted(chunk_of, chunk) : np.searchsorted(chunk_of, chunk + 1)]:
                    column = int(layout.start[number]) % config.chunk_length
                    block[:, column : column + lengths[number]] = stored[number % len(pool)]
                digests[chunk] = write_chunk(built, config, chunk, block)
                task.advance()
        placed = [_at(row, int(start)) for row, start in zip(rows, layout.start, strict=True)]
        finalise(
            built,
            config,
            placed,
            [],
            digests,
            scored_classes=SCORED_CLASSES,
            representative={code: EQUIVALENTS.get(code, code) for code in SCORED_CODES},
            plan_digest=pool_digest(n_records, len(pool)),
        )
        move_into_place(built, path)


def pool_digest(n_records: int, n_pool: int) -> str:
    """By which a kept store is known to be the one wanted."""
    return hashlib.sha256(f"pool {SEED} {n_pool} {n_records}".encode()).hexdigest()


def check_kept(path: Path, attributes: dict, n_records: int, config: StoreConfig) -> None:
    """Raise InputError if a kept store is another than the one wanted."""
    expected = (pool_digest(n_records, POOL_RECORDS), config.digest())
    if (attributes.get("plan_digest"), attributes.get("build_digest")) != expected:
        raise InputError(f"{path}: is not the benchmark's store of {n_records:,} records; choose another --folder")


def _to_stored(record: SimulatedRecord, fs: float) -> NDArray[np.int16]:
    signal = resample(record.signal.astype(np.float32), record.fs, fs)
    return np.rint(signal).clip(-32767, 32767).astype(np.int16)


def _row(number: int, record: SimulatedRecord, scale: float, stored: Sequence[NDArray[np.int16]]) -> RecordRow:
    name = f"{record.record_name}x{number:07d}"
    return RecordRow(
        dataset=record.dataset,
        name=name,
        start=0,
        length=stored[0].shape[1],
        fs_source=record.fs,
        n_samples_source=record.signal.shape[1],
        age=60.0,
        sex=None,
        group=f"{number % POOL_RECORDS:016x}",  # copies of one signal belong together
        scale=scale,
        n_invalid=0,
        n_clipped=0,
        digest=hashlib.sha256(name.encode()).hexdigest(),
        lead_flags=(0,) * 12,
        offset=(0,) * 12,
        dx_codes=record.dx_codes,
    )


def _at(row: RecordRow, start: int) -> RecordRow:
    return RecordRow(**{name: getattr(row, name) for name in RecordRow.__slots__} | {"start": start})
