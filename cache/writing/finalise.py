"""The last steps of a build: tables, 'complete' and the rename into place, which a kill may part anywhere."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import zarr

from ecg12.cache.checksum import DIGEST_ATTRIBUTE, OPTIONAL_DIGEST_ATTRIBUTE, tables_digest
from ecg12.cache.optional_columns import ARRAY_DIGESTS, OPTIONAL_COLUMNS, RANK
from ecg12.cache.remarks import REMARKS, remarks_of_rows
from ecg12.cache.schema import (
    COLUMNS,
    LABEL_TABLES,
    MERGED_GROUPS,
    SIGNAL,
    RecordRow,
    Reject,
    StoreConfig,
)
from ecg12.cache.storage.location import Location, RemotePath
from ecg12.cache.writing import remote_build
from ecg12.cache.writing.build_folder import LOCK, TASKS, build_folder
from ecg12.cache.writing.optional_tables import further_columns
from ecg12.cache.writing.remote_arrays import open_array, written_group
from ecg12.cache.writing.tables import dataset_counts, root_attributes, table_columns, write_column
from ecg12.ecg.errors import StoreError


def finalise(
    path: Location,
    config: StoreConfig,
    rows: Sequence[RecordRow],
    rejects: Sequence[Reject],
    chunk_digests: Mapping[int, str],
    *,
    scored_classes: Sequence[str],
    representative: Mapping[str, str],
    plan_digest: str,
    merged_groups: Mapping[str, str] | None = None,
    label_tables: Mapping[str, Any] | None = None,
) -> None:
    """Write the tables in (dataset, name) order, then the attributes with `complete`.

    Parameters
    ----------
    rows : one per record; their `group` already merged over duplicates
    chunk_digests : of every chunk, by number
    scored_classes : codes of the scored classes, in their order
    representative : scored code → the scored class that stands for it
    plan_digest : of what was asked for, by which a second build with the same inputs knows its result
    merged_groups : patient's group → the group that duplicates made of it, for `cache.several_stores`
    label_tables : what tables of labels had for these records, as counts: see `LABEL_TABLES`

    Raises
    ------
    StoreError
        If a chunk has no digest, naming every missing one.
    """
    signal = open_array(path, SIGNAL.path)
    n_chunks = signal.shape[1] // signal.chunks[1]
    missing = [chunk for chunk in range(n_chunks) if chunk not in chunk_digests]
    if missing:
        raise StoreError(f"{path}: chunks {', '.join(map(str, missing))} were not written; run the build again")
    rows = sorted(rows, key=lambda row: (row.dataset, row.name))
    tables = table_columns(rows, chunk_digests, scored_classes, representative, n_leads=len(config.leads))
    rank = {RANK.path: tables.pop(RANK.path)}
    further = further_columns(rows, tables["label/code"].tolist())
    attributes = root_attributes(config, complete=True) | {
        "plan_digest": plan_digest,
        "n_records": len(rows),
        "datasets": dataset_counts(rows, rejects, config.fs),
        "rejects": [
            {"dataset": r.dataset, "record": r.record, "stage": r.stage, "reason": r.reason}
            for r in sorted(rejects, key=lambda r: (r.dataset, r.record, r.stage, r.reason))
        ],
    }
    if merged_groups:
        attributes[MERGED_GROUPS] = dict(merged_groups)
    if remarks := remarks_of_rows(rows):
        attributes[REMARKS] = remarks
    if label_tables:
        attributes[LABEL_TABLES] = dict(label_tables)
    attributes[OPTIONAL_DIGEST_ATTRIBUTE] = tables_digest(rank.items(), {})
    if further:
        attributes[ARRAY_DIGESTS] = {path: tables_digest([(path, further[path])], {}) for path in sorted(further)}
    attributes[DIGEST_ATTRIBUTE] = tables_digest(tables.items(), attributes)
    with _root_of(path, config) as root:
        written = tables | rank | further
        for column in (*COLUMNS, *OPTIONAL_COLUMNS):
            if column.path in written:
                write_column(root, column, written[column.path])
        if not isinstance(path, RemotePath):
            for partial in path.rglob("*.partial"):
                partial.unlink()
        root.attrs.put(attributes)


@contextmanager
def _root_of(path: Location, config: StoreConfig) -> Iterator[zarr.Group]:
    """The root group of a store that is there, to write tables into; what is remote is put there at the end."""
    if isinstance(path, RemotePath):
        with written_group(path, root_attributes(config, complete=False)) as root:
            yield root
    else:
        yield zarr.open_group(path, mode="r+")


def move_into_place(built: Location, store: Location) -> None:
    """Rename a finished store to its own path; an older one there goes only once the new one stands.

    A remote one is copied there, by the server: see `cache.writing.remote_build.arrive`.
    """
    if isinstance(built, RemotePath) or isinstance(store, RemotePath):
        assert isinstance(built, RemotePath)
        assert isinstance(store, RemotePath)
        remote_build.arrive(built, store, store.with_name(build_folder(store).name))
        return
    if store.exists():
        store.rename(_replaced(store))
    try:
        built.rename(store)
    finally:
        settle_replaced(store)


def settle_replaced(store: Location) -> None:
    """Remove the store that was moved aside for a new one, or put it back where the new one did not arrive.

    Of a remote one the new one's way is gone on with.
    """
    if isinstance(store, RemotePath):
        remote_build.settle_arrival(store, store.with_name(build_folder(store).name))
        return
    old = _replaced(store)
    if old.exists() and store.exists():
        shutil.rmtree(old)
    elif old.exists():
        old.rename(store)


def is_settled(store: Location) -> bool:
    """Whether what stands at the path of a store is not just being put there; only a remote one may be met so."""
    return not (isinstance(store, RemotePath) and remote_build.is_arriving(store.with_name(build_folder(store).name)))


def clear_build(folder: Location) -> None:
    """Remove all of a build's folder but its locks, with which it goes when they are let go of."""
    if isinstance(folder, RemotePath):
        remote_build.clear(folder)
        return
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in (LOCK, TASKS):
            path.unlink()


def _replaced(store: Path) -> Path:
    return store.with_name(f"{store.name}.build") / "replaced.zarr"
