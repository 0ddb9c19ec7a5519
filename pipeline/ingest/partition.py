"""The jobs of a build: the records of a partition into whole chunks and a journal entry, here or on dask workers."""

import os
import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from ecg12.cache.layout import Partition
from ecg12.cache.schema import Part, RecordRow, Reject, StoreConfig
from ecg12.cache.storage.location import Location
from ecg12.cache.writing.build_folder import task_lock, told_what_to_do
from ecg12.cache.writing.writer import part_path, write_chunk, write_part
from ecg12.ecg.errors import ClusterError, EcgError, StoreError
from ecg12.pipeline.files.foreign_readers import reading
from ecg12.pipeline.formats.told_by_user import InputConfig
from ecg12.pipeline.ingest.convert import convert_record
from ecg12.pipeline.ingest.dask_cluster import Cluster, Say, open_client, say_nothing
from ecg12.pipeline.ingest.find_sources import WFDB
from ecg12.pipeline.ingest.local_copies import records_at_hand
from ecg12.pipeline.ingest.plan import TOLD_NOTHING, PlannedRecord, reject_for
from ecg12.pipeline.runtime.allocator import keep_freed_memory

TASKS_AT_ONCE = 1_250
"""So many a scheduler is given at most, some 10,000 jobs of 11 kB; more wait here, where they cost it nothing."""

JOBS_A_TASK = 8
"""At most. A task costs client, scheduler and worker 10 ms of processor time together, a job's work takes 80."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """All that one partition needs; small, because it travels to a worker."""

    store: Location
    folder: Location
    config: StoreConfig
    plan_digest: str
    partition: Partition
    starts: tuple[int, ...]
    records: tuple[PlannedRecord, ...]
    strict: bool
    told: InputConfig = TOLD_NOTHING

    @property
    def result(self) -> tuple[int, int]:
        """What doing it gives: the partition's number, the records worked through."""
        return self.partition.index, len(self.records)


def ingest_partition(job: Job) -> tuple[int, int] | EcgError:
    """Read, check, resample and write one partition; its journal entry comes last.

    Returns
    -------
    (partition number, records worked through); what must stop the build, that is a full disk, a server that cannot
    be had or with `strict` the first record's error, as a value, because one raised in a worker would be logged there
    as a failure of the program
    """
    keep_freed_memory()
    try:
        with task_lock(job.folder, job.plan_digest), told_what_to_do(job.store):
            return _ingest(job)
    except EcgError as error:
        return error


def ingest_pickled(jobs: bytes) -> list[tuple[int, int] | EcgError]:
    """`ingest_partition` of several pickled jobs, which the scheduler hands on without making objects of them.

    A job with a journal entry is done: by a worker that was lost before it had done them all. What stops the build
    is the last result.
    """
    results: list[tuple[int, int] | EcgError] = []
    for job in pickle.loads(jobs):
        done = part_path(job.folder, job.partition.index).exists()
        results.append(job.result if done else ingest_partition(job))
        if isinstance(results[-1], EcgError):
            break
    return results


def share_out(jobs: Sequence[Job], n_workers: int) -> Iterator[Sequence[Job]]:
    """The jobs of each task: many while much is left to do, in the end one, so that all workers end together."""
    begin = 0
    while begin < len(jobs):
        size = min(max((len(jobs) - begin) // (2 * n_workers), 1), JOBS_A_TASK)
        yield jobs[begin : begin + size]
        begin += size


def _ingest(job: Job) -> tuple[int, int]:
    config = job.config
    first_column = job.partition.first_chunk * config.chunk_length
    # block: (lead, time) of the partition's chunks; zero where no record lies
    block = np.empty((len(config.leads), job.partition.n_chunks * config.chunk_length), np.int16)
    filled = 0  # columns; records come in the order of their starts
    rows: list[RecordRow] = []
    rejects: list[Reject] = []
    announce_reading(job.records)
    at_hand = records_at_hand(job.records)
    for planned, local, start in zip(job.records, at_hand, job.starts, strict=True):
        try:
            what = "a WFDB record" if planned.kind == WFDB else "a recording"
            file = f"{planned.name}.hea" if planned.kind == WFDB else planned.path.name
            with reading(Path(file), what):  # whatever it is, the others go on
                signal, row = convert_record(local, start, config, job.told)
        except EcgError as error:
            if job.strict:
                error.add_note(f"while ingesting {planned.path}")
                raise
            rejects.append(reject_for(error, planned.dataset, planned.name))
            continue
        begin = start - first_column
        block[:, filled:begin] = 0
        filled = begin + row.length
        block[:, begin:filled] = signal
        rows.append(row)
    block[:, filled:] = 0
    digests = {}
    for number in range(job.partition.n_chunks):
        columns = slice(number * config.chunk_length, (number + 1) * config.chunk_length)
        chunk = job.partition.first_chunk + number
        digests[chunk] = write_chunk(job.store, config, chunk, block[:, columns])
    write_part(
        job.folder,
        Part(partition=job.partition.index, rows=tuple(rows), rejects=tuple(rejects), chunk_digests=digests),
    )
    return job.result


def announce_reading(records: Sequence[PlannedRecord]) -> None:
    """Let the system fetch these records' files from the disk while others are worked on; a hint, no more.

    Of a WFDB record that is its `.mat` file.

    Files of 120 kB that are asked for one by one leave a disk idle half of the time. Where the system takes no hints,
    or a file is not there, nothing is lost: reading it says so.
    """
    if not hasattr(os, "posix_fadvise"):
        return
    for record in records:
        if not isinstance(record.path, Path):
            continue
        try:
            # without waiting: it may be a FIFO
            wanted = record.path.with_suffix(".mat") if record.kind == WFDB else record.path
            file = os.open(wanted, os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            continue
        try:
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_WILLNEED)
        except OSError:  # a file system without it
            return
        finally:
            os.close(file)


def prepare_worker() -> None:
    """Make a worker ready: importing this module brings along all that tasks need."""
    keep_freed_memory()


@contextmanager
def job_runner(cluster: Cluster, folder: Location, n_jobs: int, say: Say = say_nothing) -> Iterator:
    """A function from jobs to results in the order they finish: in this process, or on dask workers."""
    in_this_process = cluster.workers == 1 or n_jobs < 2
    if in_this_process and not cluster.is_remote and not cluster.dashboard:
        yield lambda jobs: map(ingest_partition, jobs)
        return
    from distributed import KilledWorker, as_completed
    from distributed.client import FutureCancelledError

    with open_client(cluster, folder, n_jobs, say) as client:
        # a second of imports, which belong to the start and not to the first tasks; who died meanwhile does not matter
        client.run(prepare_worker, on_error="ignore")

        def run(jobs: Sequence[Job]) -> Iterator[tuple[int, int] | EcgError]:
            pickled = map(pickle.dumps, share_out(jobs, max(sum(client.nthreads().values()), 1)))
            first = client.map(ingest_pickled, list(islice(pickled, TASKS_AT_ONCE)), pure=False, batch_size=64)
            tasks = as_completed(first, with_results=True)
            del first
            try:
                for _, results in tasks:
                    if isinstance(results, FutureCancelledError):
                        raise results
                    yield from results
                    for task in islice(pickled, 1):
                        tasks.add(client.submit(ingest_pickled, task, pure=False))
            except KilledWorker as error:
                raise StoreError(
                    "worker processes were killed several times over, most likely for want of memory; run the build "
                    "again with fewer --workers: what is finished is kept"
                ) from error
            except FutureCancelledError as error:
                raise ClusterError(
                    f"the scheduler was lost ({error.reason}); start it and run the build again: what is finished is "
                    "kept"
                ) from error

        yield run
