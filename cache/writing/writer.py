"""Writing a store: create → whole chunks by whoever owns them → journal → tables and `complete` last.

While it is built the store and its journal live in the sibling folder `STORE.build`; the finished store is
renamed into place, so that whatever stands at its own path is whole. What a remote store has instead of renames and
locks is in `cache.remote_build`.
"""

import logging
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from ecg12.cache import remote_build
from ecg12.cache.checksum import DIGEST_ATTRIBUTE, OPTIONAL_DIGEST_ATTRIBUTE, chunk_digest, tables_digest
from ecg12.cache.compression import codecs_beyond_zarr, encode_signal, signal_codecs, table_compressors
from ecg12.cache.location import Location, RemotePath, remove_tree
from ecg12.cache.lock import hold, is_still_at, locked
from ecg12.cache.partials import clear_dead, partial_of
from ecg12.cache.remarks import REMARKS, remarks_of_rows
from ecg12.cache.remote_arrays import open_array, written_group
from ecg12.cache.schema import (
    COLUMNS,
    FORMAT_NAME,
    FORMAT_VERSION,
    MERGED_GROUPS,
    OPTIONAL_COLUMNS,
    RANK,
    SEX_CODES,
    SIGNAL,
    Column,
    Part,
    RecordRow,
    Reject,
    StoreConfig,
)
from ecg12.ecg.errors import EcgError, StoreError

logger = logging.getLogger(__name__)

TABLE_CHUNK_ROWS = 65_536
LARGEST_RANK = 255
"""Labels from here on have the same place in `label/rank`."""

PLAN_MARKER = "plan"
"""File of the build folder that holds the plan's digest."""

_LOCK, _TASKS = "lock", "tasks"
"""Files of the build folder that a build holds, and its tasks; they are removed with it, and never replaced."""


def build_folder(store: Location) -> Location:
    """The sibling folder that holds an unfinished store and its journal."""
    return store.with_name(f"{store.name}.build")


def work_folder(folder: Location, plan_digest: str) -> Location:
    """Where in the build folder the journal and the store of this plan are."""
    return remote_build.work_folder(folder, plan_digest) if isinstance(folder, RemotePath) else folder


@contextmanager
def build_lock(store: Location) -> Iterator[Location]:
    """Hold the build folder of `store` for this process; the system lets go when the process dies.

    For a remote store see `cache.remote_build.hold_build`.

    Raises
    ------
    StoreError
        If another process is building this store.
    """
    folder = build_folder(store)
    if isinstance(store, RemotePath) and isinstance(folder, RemotePath):
        with remote_build.hold_build(store, folder):
            yield folder
        return
    assert not isinstance(folder, RemotePath)
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as afterwards, hold(folder / _LOCK) as ours:
        if not ours:  # held by another build, or by one that ended just now and took its folder along
            raise StoreError(f"{store}: another process is building it; wait for it or stop it")
        try:
            yield folder
        finally:
            if not _leave(folder):
                afterwards.callback(_leave, folder)


def _leave(folder: Path) -> bool:
    """Remove a build's folder if nothing but its locks is left in it; False where the system removes no open file."""
    if not folder.is_dir() or not {_LOCK, _TASKS}.issuperset(os.listdir(folder)):
        return True
    try:
        for name in (_TASKS, _LOCK):
            (folder / name).unlink(missing_ok=True)
        folder.rmdir()
    except PermissionError:
        return False
    except OSError:  # another build has come into it by now
        pass
    return True


@contextmanager
def task_lock(folder: Location, plan_digest: str) -> Iterator[None]:
    """Hold off other builds while a task writes; any number of tasks may.

    A build that is killed can leave workers behind, which finish what they were at. The next build waits for them
    (`no_task_at_work`), and a task that begins later finds that it belongs to no build any more. Of a remote build
    nobody waits for them: `folder` is this plan's alone, and what they still write there is what is wanted.

    Raises
    ------
    StoreError
        If `folder` is not, or no longer, that of a build by this plan.
    """
    if isinstance(folder, RemotePath):
        _check_plan(folder, plan_digest)
        yield
        return
    tasks = folder / _TASKS
    with ExitStack() as held:
        try:
            file = held.enter_context(tasks.open("a+b"))
            held.enter_context(locked(file, shared=True, wait=True))
            ours = is_still_at(tasks, file) and (folder / PLAN_MARKER).read_text() == plan_digest
        except FileNotFoundError:
            ours = False
        if not ours:
            raise _no_longer_ours(folder)
        yield


def _check_plan(folder: RemotePath, plan_digest: str) -> None:
    try:
        ours = (folder.parent / PLAN_MARKER).read_text() == plan_digest
    except FileNotFoundError:
        ours = False
    if not ours:
        raise _no_longer_ours(folder)


def _no_longer_ours(folder: Location) -> StoreError:
    return StoreError(f"{folder}: no longer the folder of this build; another took its place: run it again")


@contextmanager
def no_task_at_work(folder: Location) -> Iterator[None]:
    """Wait until no worker of an earlier build writes into `folder`, and let none begin."""
    if isinstance(folder, RemotePath):
        yield
        return
    with (folder / _TASKS).open("a+b") as file, ExitStack() as held:
        if not held.enter_context(locked(file)):
            logger.warning("%s: waiting for the workers of an earlier build to finish what they are at", folder)
            held.enter_context(locked(file, wait=True))
        yield


@contextmanager
def told_what_to_do(store: Location) -> Iterator[None]:
    """Turn a failure of the disk, most often a full one, into a StoreError that says how to go on."""
    try:
        yield
    except OSError as error:
        if isinstance(error, EcgError):
            raise
        where = f", {error.filename}" if error.filename else ""
        raise StoreError(
            f"{store}: the build cannot go on ({error.strerror or error}{where}); make room or allow writing there, "
            "then give the same command again: what is finished is kept"
        ) from error


def create_store(path: Location, config: StoreConfig, n_chunks: int) -> None:
    """Make an empty, incomplete store with `n_chunks` chunks of signal still to be written."""
    attributes = _attributes(config, complete=False)
    if isinstance(path, RemotePath):
        remove_tree(path)
        with written_group(path, attributes) as root:
            _create_signal(root, config, n_chunks)
        return
    root = zarr.create_group(path, zarr_format=3, overwrite=True, attributes=attributes)
    _create_signal(root, config, n_chunks)


def _create_signal(root: zarr.Group, config: StoreConfig, n_chunks: int) -> None:
    codecs = signal_codecs(config.codec)
    with codecs_beyond_zarr():
        root.create_array(
            SIGNAL.path,
            shape=(len(config.leads), n_chunks * config.chunk_length),
            chunks=(len(config.leads), config.chunk_length),
            dtype=SIGNAL.dtype,
            fill_value=0,
            dimension_names=SIGNAL.dims,
            attributes=SIGNAL.attributes(),
            **codecs,
        )


def write_chunk(path: Location, config: StoreConfig, chunk: int, block: NDArray[np.int16]) -> str:
    """Write one whole chunk of `signal`, or nothing of it, and give back its digest.

    All-zero chunks are written too, so that a missing file always means a lost one.

    Parameters
    ----------
    block : int16 array, shape (n_leads, chunk_length), µV

    Raises
    ------
    StoreError
        If the block has another form.
    OSError
        If it cannot be written.
    """
    expected = (len(config.leads), config.chunk_length)
    if block.shape != expected or block.dtype != np.int16:
        raise StoreError(f"{path} chunk {chunk}: block of {block.dtype} {block.shape}; expected int16 {expected}")
    file = path / SIGNAL.path / "c" / "0" / str(chunk)
    if isinstance(file, RemotePath):
        file.write_bytes(encode_signal(config.codec, block))
        return chunk_digest(block)
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_of(file)
    try:
        partial.write_bytes(encode_signal(config.codec, block))
        partial.replace(file)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    return chunk_digest(block)


def part_path(folder: Location, partition: int) -> Location:
    """Where a partition's journal entry is kept."""
    return folder / f"part-{partition}.json"


def write_part(folder: Location, part: Part) -> None:
    """Write a journal entry: whole or not at all, whatever kills the process.

    It is not flushed to the disk. Should the machine itself stop, an entry may be torn or its chunks may: both are
    noticed by the next run, which checks the digests, while waiting for the disk would cost every task.
    """
    _write_text(part_path(folder, part.partition), part.to_json(), flush=False)


def write_text_atomically(path: Location, text: str) -> None:
    """Write `text` beside `path`, flush it to the disk, then rename it into place; an object is put there whole.

    What a process that was killed left of the same file goes.
    """
    _write_text(path, text, flush=True)


def _write_text(path: Location, text: str, *, flush: bool) -> None:
    if isinstance(path, RemotePath):
        path.write_text(text)
        return
    partial = partial_of(path)
    if flush:  # the journal of a build is cleared as a whole once it is finished
        clear_dead(path)
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:  # the same bytes on every system
            file.write(text)
            file.flush()
            if flush:
                os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:  # a full disk names no file, and wants the space back
        error.filename = error.filename or str(path)
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


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
    tables = _tables(rows, chunk_digests, scored_classes, representative, n_leads=len(config.leads))
    optional = {column.path: tables.pop(column.path) for column in OPTIONAL_COLUMNS}
    attributes = _attributes(config, complete=True) | {
        "plan_digest": plan_digest,
        "n_records": len(rows),
        "datasets": _dataset_counts(rows, rejects, config.fs),
        "rejects": [
            {"dataset": r.dataset, "record": r.record, "stage": r.stage, "reason": r.reason}
            for r in sorted(rejects, key=lambda r: (r.dataset, r.record, r.stage, r.reason))
        ],
    }
    if merged_groups:
        attributes[MERGED_GROUPS] = dict(merged_groups)
    if remarks := remarks_of_rows(rows):
        attributes[REMARKS] = remarks
    attributes[OPTIONAL_DIGEST_ATTRIBUTE] = tables_digest(optional.items(), {})
    attributes[DIGEST_ATTRIBUTE] = tables_digest(tables.items(), attributes)
    with _root_of(path, config) as root:
        for column in (*COLUMNS, *OPTIONAL_COLUMNS):
            _write_column(root, column, (tables | optional)[column.path])
        if not isinstance(path, RemotePath):
            for partial in path.rglob("*.partial"):
                partial.unlink()
        root.attrs.put(attributes)


@contextmanager
def _root_of(path: Location, config: StoreConfig) -> Iterator[zarr.Group]:
    """The root group of a store that is there, to write tables into; what is remote is put there at the end."""
    if isinstance(path, RemotePath):
        with written_group(path, _attributes(config, complete=False)) as root:
            yield root
    else:
        yield zarr.open_group(path, mode="r+")


def move_into_place(built: Location, store: Location) -> None:
    """Rename a finished store to its own path; an older one there goes only once the new one stands.

    A remote one is copied there, by the server: see `cache.remote_build.arrive`.
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
        elif path.name not in (_LOCK, _TASKS):
            path.unlink()


def _replaced(store: Path) -> Path:
    return store.with_name(f"{store.name}.build") / "replaced.zarr"


def _attributes(config: StoreConfig, *, complete: bool) -> dict[str, Any]:
    return {
        "format": FORMAT_NAME,
        "format_version": FORMAT_VERSION,
        "complete": complete,
        "fs": config.fs,
        "leads": list(config.leads),
        "build": config.to_dict(),
        "build_digest": config.digest(),
    }


def _dataset_counts(rows: Sequence[RecordRow], rejects: Sequence[Reject], fs: float) -> dict[str, dict[str, float]]:
    names = sorted({row.dataset for row in rows} | {reject.dataset for reject in rejects})
    return {
        name: {
            "records": sum(row.dataset == name for row in rows),
            "rejects": sum(reject.dataset == name for reject in rejects),
            "hours": round(sum(row.length for row in rows if row.dataset == name) / fs / 3600, 6),
        }
        for name in names
    }


def _tables(
    rows: Sequence[RecordRow],
    chunk_digests: Mapping[int, str],
    scored_classes: Sequence[str],
    representative: Mapping[str, str],
    *,
    n_leads: int,
) -> dict[str, NDArray]:
    codes = sorted({code for row in rows for code in row.dx_codes})
    class_of = {code: number for number, code in enumerate(codes)}
    scored_of = {code: number for number, code in enumerate(scored_classes)}
    matrix = np.zeros((len(rows), len(codes)), np.uint8)
    rank = np.zeros(matrix.shape, np.uint8)
    scored = np.zeros((len(rows), len(scored_classes)), np.uint8)
    for number, row in enumerate(rows):
        for place, code in enumerate(row.dx_codes, start=1):
            matrix[number, class_of[code]] = 1
            rank[number, class_of[code]] = min(place, LARGEST_RANK)
            if code in representative:
                scored[number, scored_of[representative[code]]] = 1
    plain = {
        f"record/{name}": _column([getattr(row, name) for row in rows], dtype) for name, dtype in _PLAIN_FIELDS.items()
    }
    return plain | {
        "record/age": _column([np.nan if row.age is None else row.age for row in rows], "float32"),
        "record/sex": _column([SEX_CODES[row.sex] for row in rows], "int8"),
        "record/lead_flags": _column([row.lead_flags for row in rows], "uint16").reshape(-1, n_leads),
        "record/offset": _column([row.offset for row in rows], "int32").reshape(-1, n_leads),
        "label/code": _column(codes, "string"),
        "label/matrix": matrix,
        RANK.path: rank,
        "label/annotated": _column([bool(row.dx_codes) for row in rows], "bool"),
        "label/scored_code": _column(list(scored_classes), "string"),
        "label/scored": scored,
        "chunk/digest": _column([chunk_digests[chunk] for chunk in sorted(chunk_digests)], "string"),
    }


_PLAIN_FIELDS = {
    column.path.removeprefix("record/"): column.dtype
    for column in COLUMNS
    if column.path.startswith("record/")
    and column.path not in ("record/age", "record/sex", "record/lead_flags", "record/offset")
}


def _column(values: Sequence[Any], dtype: str) -> NDArray:
    return np.array(values, dtype=object if dtype == "string" else dtype)


def _write_column(root: zarr.Group, column: Column, values: NDArray) -> None:
    rows = min(max(len(values), 1), TABLE_CHUNK_ROWS)
    array = root.create_array(
        column.path,
        shape=values.shape,
        chunks=(rows, *(max(size, 1) for size in values.shape[1:])),
        dtype=column.dtype,
        dimension_names=column.dims,
        compressors=table_compressors(),
        attributes=column.attributes(),
        config={"write_empty_chunks": True},
        overwrite=True,
    )
    if values.size:
        array[...] = values
