"""One task of a build: the records of a partition into whole chunks and a journal entry, here or on dask workers."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cache.layout import Partition
from cache.schema import Part, RecordRow, Reject, StoreConfig
from cache.writer import write_chunk, write_part
from ecg.errors import EcgError, StoreError
from pipeline.convert import convert_record
from pipeline.plan import PlannedRecord, reject_for


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """All that one task needs; small, because it travels to a worker."""

    store: Path
    folder: Path
    config: StoreConfig
    partition: Partition
    starts: tuple[int, ...]
    records: tuple[PlannedRecord, ...]
    strict: bool


def ingest_partition(job: Job) -> tuple[int, int] | EcgError:
    """Read, check, resample and write one partition; its journal entry comes last.

    Returns
    -------
    (partition number, records worked through); with `strict` the first record's error as a value, because one
    raised in a worker would be logged there as a failure of the program
    """
    config = job.config
    first_column = job.partition.first_chunk * config.chunk_length
    # block: (lead, time) of the partition's chunks; where no record lies it stays zero
    block = np.zeros((len(config.leads), job.partition.n_chunks * config.chunk_length), np.int16)
    rows: list[RecordRow] = []
    rejects: list[Reject] = []
    for planned, start in zip(job.records, job.starts, strict=True):
        try:
            signal, row = convert_record(planned, start, config)
        except EcgError as error:
            if job.strict:
                error.add_note(f"while ingesting {planned.path}")
                return error
            rejects.append(reject_for(error, planned.dataset, planned.name))
            continue
        block[:, start - first_column : start - first_column + row.length] = signal
        rows.append(row)
    digests = {}
    for number in range(job.partition.n_chunks):
        columns = slice(number * config.chunk_length, (number + 1) * config.chunk_length)
        chunk = job.partition.first_chunk + number
        digests[chunk] = write_chunk(job.store, chunk, block[:, columns])
    write_part(
        job.folder,
        Part(partition=job.partition.index, rows=tuple(rows), rejects=tuple(rejects), chunk_digests=digests),
    )
    return job.partition.index, len(job.records)


@contextmanager
def job_runner(workers: int, n_jobs: int) -> Iterator:
    """A function from jobs to results in the order they finish: in this process, or on dask workers."""
    if workers == 1 or n_jobs < 2:
        yield lambda jobs: map(ingest_partition, jobs)
        return
    import dask
    from distributed import Client, KilledWorker, LocalCluster, as_completed

    logging.getLogger("distributed").setLevel(logging.ERROR)  # its comings and goings are not the user's

    # workers import this program afresh (spawn), so that no lock or thread is copied half-way
    with (
        dask.config.set({"distributed.worker.daemon": True, "distributed.logging.distributed": "error"}),
        LocalCluster(
            n_workers=min(workers, n_jobs),
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            host="127.0.0.1",
            memory_limit=0,
        ) as cluster,
        Client(cluster) as client,
    ):

        def run(jobs: Sequence[Job]) -> Iterator[tuple[int, int] | EcgError]:
            futures = client.map(ingest_partition, jobs, pure=False, batch_size=64)
            try:
                for _, result in as_completed(futures, with_results=True):
                    yield result
            except KilledWorker as error:
                raise StoreError(
                    "worker processes were killed several times over, most likely for want of memory; run the build "
                    "again with fewer --workers: what is finished is kept"
                ) from error

        yield run
