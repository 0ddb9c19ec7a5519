"""From recordings to a store: plan from headers, one task per partition, a journal, then the tables.

A task reads, checks, resamples and writes whole chunks of its own, so the store's bytes depend neither on the
number of workers nor on the order of events. Several workers are dask processes; one works in this process.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from ecg12.cache.layout import Layout, Partition, plan_layout
from ecg12.cache.reader import read_attributes
from ecg12.cache.schema import StoreConfig
from ecg12.cache.storage.atomic import write_text_atomically
from ecg12.cache.storage.location import Location, RemotePath
from ecg12.cache.writing.build_folder import PLAN_MARKER, build_lock, no_task_at_work, told_what_to_do, work_folder
from ecg12.cache.writing.finalise import clear_build, finalise, is_settled, move_into_place, settle_replaced
from ecg12.cache.writing.writer import create_store
from ecg12.ecg.datasets import PTBXL
from ecg12.ecg.errors import EcgError, FormatVersionError, InputError, StoreError
from ecg12.ecg.labels.snomed import EQUIVALENTS, SCORED_CLASSES, SCORED_CODES
from ecg12.pipeline.formats.told_by_user import InputConfig
from ecg12.pipeline.ingest.at_hand import with_inputs_at_hand
from ecg12.pipeline.ingest.dask_cluster import Cluster, Say, check_reach, say_nothing
from ecg12.pipeline.ingest.describe_store import StoreDescription, describe_store
from ecg12.pipeline.ingest.partition import Job, job_runner
from ecg12.pipeline.ingest.plan import TOLD_NOTHING, Plan, plan_records
from ecg12.pipeline.ingest.plan_labels import digest_with, patient_in, plan_labels
from ecg12.pipeline.ingest.resume import finished_parts, forget_others, read_part
from ecg12.pipeline.labels.apply_labels import apply_labels
from ecg12.pipeline.labels.read_labels import Labels
from ecg12.pipeline.recordings.path_patterns import PathPatterns
from ecg12.pipeline.recordings.patient_groups import find_tables, merge_groups, merged_patients, read_patients
from ecg12.pipeline.recordings.set_aside import NotLookedAt
from ecg12.pipeline.runtime.progress import Progress, silent


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildSummary:
    """What a build did.

    Attributes
    ----------
    description : what is in the store now
    n_resumed : records that an earlier, interrupted run had finished
    already_complete : the store was there, built from the same records by the same rules
    tables : of patients that were used, those found in the inputs among them
    n_known : records whose patient these tables know
    n_untold : records of PTB-XL whose patient is not known, although a table of them is published
    labels : what tables of labels had for these records
    aside : files in the inputs that are no recordings
    n_left_out : files that patterns leave out
    unused_patterns : patterns that match no file
    plan_seconds, start_seconds, seconds : reading headers; starting workers; from there to the last record
    """

    description: StoreDescription
    n_resumed: int = 0
    already_complete: bool = False
    tables: tuple[Location, ...] = ()
    n_known: int = 0
    n_untold: int = 0
    labels: Labels = field(default_factory=Labels)
    aside: tuple[NotLookedAt, ...] = ()
    n_left_out: int = 0
    unused_patterns: tuple[str, ...] = ()
    plan_seconds: float = 0.0
    start_seconds: float = 0.0
    seconds: float = 0.0

    @property
    def records_per_second(self) -> float:
        """Records a second, without planning and start-up."""
        n_new = self.description.n_records + len(self.description.rejects) - self.n_resumed
        return n_new / self.seconds if self.seconds else 0.0


@with_inputs_at_hand
def build_cache(
    inputs: Sequence[Location],
    store: Location,
    config: StoreConfig,
    *,
    told: InputConfig = TOLD_NOTHING,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    workers: int = 1,
    cluster: Cluster | None = None,
    patients: Sequence[Location] = (),
    find_patients: bool = True,
    labels: Sequence[Location] = (),
    label_columns: Mapping[str, Sequence[str]] = MappingProxyType({}),
    strict: bool = False,
    force: bool = False,
    progress: Progress = silent,
    say: Say = say_nothing,
) -> BuildSummary:
    """Convert every recording in `inputs` into one store.

    Parameters
    ----------
    inputs : folders in any nesting and layout, tarballs, or single recordings of any kind, here or behind URLs
    told : what files do not say themselves
    include, exclude : patterns of paths below the inputs, see `pipeline.recordings.path_patterns`
    store : where the store goes, here or behind a URL; it appears there when it is whole
    workers : dask worker processes; 1 works in this process
    cluster : where else to find workers; `workers` does not count then
    patients : tables of record and patient id (see `pipeline.recordings.patient_groups.read_patients`)
    find_patients : also take PTB-XL's own table where it lies in the root of an input folder
    labels : tables of labels, patients, folds and measurements (see `pipeline.labels`)
    label_columns : role → columns of these tables, where their names do not tell
    strict : stop at the first record that cannot be taken, instead of rejecting it by name
    force : build again although a store is there, and replace it once the new one is whole
    say : is told where the dashboard is

    Raises
    ------
    InputError
        If there is no record, or none could be taken, or a table of patients or labels knows none of them or
        contradicts itself; or if an input has the same recordings twice.
    ConfigError
        If a column in `label_columns` is in none of the tables.
    StoreError
        If another store or another unfinished build is in the way, or the disk is full.
    ClusterError
        If the cluster cannot be reached or cannot do the work.
    RemoteError
        If what is behind a URL cannot be read or written.
    """
    cluster = cluster or Cluster(workers=workers)
    check_reach(cluster, (store, *inputs))
    clock = time.perf_counter()
    if isinstance(store, Path) and store.is_symlink():
        store = store.resolve()  # build and replace where the link points to, not the link
    tables = (*patients, *(find_tables(inputs) if find_patients else ()))
    patient_of = read_patients(*tables)
    plan = plan_records(
        inputs,
        config,
        patient_of,
        told=told,
        patterns=PathPatterns(include, exclude),
        workers=cluster.workers,
        strict=strict,
        progress=progress,
    )
    if not plan.records:
        reasons = "; ".join(reject.reason for reject in plan.rejects[:3])
        raise InputError(f"none of the {len(plan.rejects)} records can be taken: {reasons}")
    if patients and not any(record.name in patient_of for record in plan.records):
        raise InputError(
            f"{', '.join(map(str, patients))}: names none of the {len(plan.records)} records; expected their names in "
            "the column record: a split without patients would leak"
        )
    stated = plan_labels(labels, label_columns, plan, patient_of) if labels else Labels()
    known = _count_known(plan, tables, patient_of, stated)
    plan_digest = digest_with(plan.digest(config, told), stated)
    if is_settled(store) and store.exists() and _is_wanted(store, config, plan_digest, force=force):
        return BuildSummary(description=describe_store(store), already_complete=True, **known)
    store.parent.mkdir(parents=True, exist_ok=True)
    with told_what_to_do(store), build_lock(store) as folder:
        settle_replaced(store)
        if store.exists() and _is_wanted(store, config, plan_digest, force=force):  # by a build that ended just now
            return BuildSummary(description=describe_store(store), already_complete=True, **known)
        work = work_folder(folder, plan_digest)
        built = work / "store.zarr"
        layout = plan_layout(
            [(record.dataset, record.name) for record in plan.records],
            np.array([record.length for record in plan.records]),
            chunk_length=config.chunk_length,
            seed=config.seed,
        )
        with no_task_at_work(folder):
            _prepare(folder, built, config, layout, plan_digest, force=force)
        parts = finished_parts(work, built, layout)
        forget_others(work, parts)
        n_resumed = sum(len(layout.partitions[number].records) for number in parts)
        jobs = [
            _job(built, work, config, layout, partition, plan, plan_digest, strict=strict, told=told)
            for partition in layout.partitions
            if partition.index not in parts
        ]
        planned = time.perf_counter()
        with (
            job_runner(cluster, work.absolute(), len(jobs), say) as run,
            progress("build-cache", len(plan.records), "records") as task,
        ):
            started = time.perf_counter()
            task.advance(n_resumed)
            for result in run(jobs):
                if isinstance(result, EcgError):
                    raise result
                number, n_records = result
                parts[number] = read_part(work, number)
                task.advance(n_records)
            ended = time.perf_counter()  # what follows is the workers' end
        rows = apply_labels([row for number in sorted(parts) for row in parts[number].rows], stated)
        rejects = [*plan.rejects, *(reject for part in parts.values() for reject in part.rejects)]
        if not rows:
            clear_build(folder)
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
            merged_groups=merged_patients(rows),
            label_tables=stated.counts() if stated.tables else None,
        )
        move_into_place(built, store)
        clear_build(folder)
    return BuildSummary(
        description=describe_store(store),
        **known,
        n_resumed=n_resumed,
        plan_seconds=planned - clock,
        start_seconds=started - planned,
        seconds=ended - started,
    )


def _count_known(
    plan: Plan, tables: tuple[Location, ...], patient_of: Mapping[str, str], labels: Labels
) -> dict[str, Any]:
    """Fields of the summary: whose patient is known, what tables of labels had, and what was not taken for a record."""
    told = [
        record.name in patient_of or patient_in(labels, record.dataset, record.name) is not None
        for record in plan.records
    ]
    untold = (record for record, known in zip(plan.records, told, strict=True) if not known)
    return {
        "tables": (*tables, *(table.path for table in labels.tables if "patient" in table.columns)),
        "n_known": sum(told),
        "n_untold": sum(record.dataset == PTBXL for record in untold),
        "labels": labels,
        "aside": tuple(plan.aside),
        "n_left_out": plan.n_left_out,
        "unused_patterns": tuple(plan.unused_patterns),
    }


def _is_wanted(store: Location, config: StoreConfig, plan_digest: str, *, force: bool) -> bool:
    """Whether `store` is the complete result of this very build; False if it is to be replaced.

    Raises
    ------
    StoreError
        If it is another store and may not be replaced, or no store at all, which even `force` leaves alone.
    """
    try:
        attributes = read_attributes(store)
    except FormatVersionError:
        if force:
            return False
        raise
    except StoreError as error:
        error.add_note("choose another --output, or remove it yourself: --force replaces nothing but a store")
        raise
    if force:
        return False
    if attributes.get("complete") is not True:
        raise StoreError(f"{store}: an incomplete store; choose another --output, or --force to replace it")
    build = attributes.get("build")
    other = build if isinstance(build, dict) else {}
    wanted = config.to_dict()
    differing = [
        f"{key} {other.get(key)} there, {wanted.get(key)} asked for"
        for key in wanted | other
        if other.get(key) != wanted.get(key)
    ]
    if differing:
        raise StoreError(
            f"{store}: built otherwise ({'; '.join(differing)}); choose another --output, or --force to replace it"
        )
    if attributes.get("plan_digest") != plan_digest:
        raise StoreError(
            f"{store}: built from other records, patients or labels ({attributes.get('n_records')} records); a "
            "complete store is not changed: choose another --output, or --force to replace it"
        )
    return True


def _prepare(
    folder: Location, built: Location, config: StoreConfig, layout: Layout, plan_digest: str, *, force: bool
) -> None:
    """Make the empty store, or find an interrupted build of the same plan."""
    marker = folder / PLAN_MARKER
    if marker.exists() and built.exists():
        if marker.read_text() == plan_digest:
            return
        if not force:
            raise StoreError(
                f"{folder}: holds an unfinished build from other records or options; run that again to finish it, "
                "or --force to start anew"
            )
    if isinstance(folder, RemotePath):
        clear_build(folder)
    for old in folder.glob("part-*.json"):
        old.unlink()
    marker.unlink(missing_ok=True)
    create_store(built, config, layout.n_chunks)
    write_text_atomically(marker, plan_digest)


def _job(
    built: Location,
    folder: Location,
    config: StoreConfig,
    layout: Layout,
    partition: Partition,
    plan: Plan,
    plan_digest: str,
    *,
    strict: bool,
    told: InputConfig,
) -> Job:
    return Job(
        store=built.absolute(),
        folder=folder.absolute(),
        config=config,
        plan_digest=plan_digest,
        partition=partition,
        starts=tuple(int(layout.start[index]) for index in partition.records),
        records=tuple(plan.records[index] for index in partition.records),
        strict=strict,
        told=told,
    )
