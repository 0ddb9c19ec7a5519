"""From WFDB records to a store: plan from headers, one task per partition, a journal, then the tables.

A task reads, checks, resamples and writes whole chunks of its own, so the store's bytes depend neither on the
number of workers nor on the order of events. Several workers are dask processes; one works in this process.
"""

import logging
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cache.checksum import chunk_digest
from cache.layout import Layout, Partition, plan_layout
from cache.reader import Store, read_attributes, read_chunk_of
from cache.schema import Part, RecordRow, Reject, StoreConfig
from cache.writer import (
    build_lock,
    create_store,
    finalise,
    move_into_place,
    part_path,
    write_chunk,
    write_part,
    write_text_atomically,
)
from ecg.errors import ChecksumError, EcgError, InputError, StoreError
from ecg.snomed import EQUIVALENTS, SCORED_CLASSES, SCORED_CODES
from pipeline.convert import convert_record
from pipeline.describe import StoreDescription, describe_store
from pipeline.groups import merge_groups, read_patients
from pipeline.plan import PlannedRecord, plan_records
from pipeline.progress import Progress, silent


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


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildSummary:
    """What a build did.

    Attributes
    ----------
    description : what is in the store now
    n_resumed : records that an earlier, interrupted run had finished
    already_complete : the store was there, built from the same records by the same rules
    plan_seconds, start_seconds, seconds : reading headers; starting workers; from there to the last record
    """

    description: StoreDescription
    n_resumed: int = 0
    already_complete: bool = False
    plan_seconds: float = 0.0
    start_seconds: float = 0.0
    seconds: float = 0.0

    @property
    def records_per_second(self) -> float:
        """Records a second, without planning and start-up."""
        n_new = self.description.n_records + len(self.description.rejects) - self.n_resumed
        return n_new / self.seconds if self.seconds else 0.0


def build_cache(
    inputs: Sequence[Path],
    store: Path,
    config: StoreConfig,
    *,
    workers: int = 1,
    patients: Sequence[Path] = (),
    strict: bool = False,
    force: bool = False,
    progress: Progress = silent,
) -> BuildSummary:
    """Convert every WFDB record in `inputs` into one store.

    Parameters
    ----------
    inputs : folders in any nesting and layout, or single records
    store : where the store goes; it appears there when it is whole
    workers : dask worker processes; 1 works in this process
    patients : tables of record and patient id (see `pipeline.groups.read_patients`)
    strict : stop at the first record that cannot be taken, instead of rejecting it by name
    force : build again although a store is there, and replace it once the new one is whole

    Raises
    ------
    InputError
        If there is no record, or none could be taken.
    StoreError
        If another store or another unfinished build is in the way.
    """
    clock = time.perf_counter()
    patient_of: dict[str, str] = {}
    for table in patients:
        patient_of |= read_patients(table)
    plan = plan_records(inputs, config, patient_of, strict=strict, progress=progress)
    if not plan.records:
        reasons = "; ".join(reject.reason for reject in plan.rejects[:3])
        raise InputError(f"none of the {len(plan.rejects)} records can be taken: {reasons}")
    plan_digest = plan.digest(config)
    if store.exists() and not force:
        _refuse_other(store, config, plan_digest)
        return BuildSummary(description=describe_store(store), already_complete=True)
    store.parent.mkdir(parents=True, exist_ok=True)
    with build_lock(store) as folder:
        built = folder / "store.zarr"
        layout = plan_layout(
            [(record.dataset, record.name) for record in plan.records],
            np.array([record.length for record in plan.records]),
            chunk_length=config.chunk_length,
            seed=config.seed,
        )
        _prepare(folder, built, config, layout, plan_digest, force=force)
        parts = _finished_parts(folder, built, layout)
        n_resumed = sum(len(layout.partitions[number].records) for number in parts)
        jobs = [
            _job(built, folder, config, layout, partition, plan.records, strict=strict)
            for partition in layout.partitions
            if partition.index not in parts
        ]
        planned = time.perf_counter()
        with (
            _executor(workers, len(jobs)) as run,
            progress("build-cache", len(plan.records), "records") as task,
        ):
            started = time.perf_counter()
            task.advance(n_resumed)
            for result in run(jobs):
                if isinstance(result, EcgError):
                    raise result
                number, n_records = result
                parts[number] = Part.from_json(part_path(folder, number).read_text(), where=f"part {number}")
                task.advance(n_records)
        ended = time.perf_counter()
        rows = [row for number in sorted(parts) for row in parts[number].rows]
        rejects = [*plan.rejects, *(reject for part in parts.values() for reject in part.rejects)]
        if not rows:
            raise InputError(f"none of the {len(rejects)} records can be taken: {rejects[0].reason}")
        digests = {chunk: digest for part in parts.values() for chunk, digest in part.chunk_digests.items()}
        finalise(
            built,
            config,
            merge_groups(rows),
            rejects,
            digests,
            scored_classes=SCORED_CLASSES,
            representative={code: EQUIVALENTS.get(code, code) for code in SCORED_CODES},
            plan_digest=plan_digest,
        )
        move_into_place(built, store)
        shutil.rmtree(folder)
    return BuildSummary(
        description=describe_store(store),
        n_resumed=n_resumed,
        plan_seconds=planned - clock,
        start_seconds=started - planned,
        seconds=ended - started,
    )


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
            stage = "checksum" if isinstance(error, ChecksumError) else "signal"
            rejects.append(Reject(dataset=planned.dataset, record=planned.name, stage=stage, reason=str(error)))
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


def _refuse_other(store: Path, config: StoreConfig, plan_digest: str) -> None:
    """Pass only if `store` is the complete result of this very build."""
    attributes = read_attributes(store)
    other = attributes.get("build", {})
    differing = [
        f"{key} {other.get(key)} there, {value} asked for"
        for key, value in config.to_dict().items()
        if other.get(key) != value
    ]
    if differing:
        raise StoreError(f"{store}: built otherwise ({'; '.join(differing)}); choose another --output, or --force")
    if attributes.get("plan_digest") != plan_digest:
        raise StoreError(
            f"{store}: built from other records ({attributes.get('n_records')} of them); a complete store is not "
            "changed: choose another --output, or --force to replace it"
        )
    Store(store)


def _prepare(folder: Path, built: Path, config: StoreConfig, layout: Layout, plan_digest: str, *, force: bool) -> None:
    """Make the empty store, or find an interrupted build of the same plan."""
    marker = folder / "plan"
    if marker.exists() and built.exists():
        if marker.read_text() == plan_digest:
            return
        if not force:
            raise StoreError(
                f"{folder}: holds an unfinished build from other records or options; run that again to finish it, "
                "or --force to start anew"
            )
    for old in folder.glob("part-*.json"):
        old.unlink()
    marker.unlink(missing_ok=True)
    create_store(built, config, layout.n_chunks)
    write_text_atomically(marker, plan_digest)


def _finished_parts(folder: Path, built: Path, layout: Layout) -> dict[int, Part]:
    """Parts of an interrupted build whose chunks still have the digests the journal says."""
    parts = {}
    for partition in layout.partitions:
        path = part_path(folder, partition.index)
        if not path.exists():
            continue
        part = Part.from_json(path.read_text(encoding="utf-8"), where=str(path))
        try:
            same = all(
                chunk_digest(read_chunk_of(built, chunk)) == digest for chunk, digest in part.chunk_digests.items()
            )
        except ChecksumError:
            same = False
        if same:
            parts[partition.index] = part
    return parts


def _job(
    built: Path,
    folder: Path,
    config: StoreConfig,
    layout: Layout,
    partition: Partition,
    records: Sequence[PlannedRecord],
    *,
    strict: bool,
) -> Job:
    return Job(
        store=built.absolute(),
        folder=folder.absolute(),
        config=config,
        partition=partition,
        starts=tuple(int(layout.start[index]) for index in partition.records),
        records=tuple(records[index] for index in partition.records),
        strict=strict,
    )


@contextmanager
def _executor(workers: int, n_jobs: int) -> Iterator:
    """A function from jobs to results in the order they finish: in this process, or on dask workers."""
    if workers == 1 or n_jobs < 2:
        yield lambda jobs: map(ingest_partition, jobs)
        return
    import dask
    from distributed import Client, LocalCluster, as_completed

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
            for _, result in as_completed(futures, with_results=True):
                yield result

        yield run
