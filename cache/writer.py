"""Writing a store: create → whole chunks by whoever owns them → journal → tables and `complete` last.

While it is built the store and its journal live in the sibling folder `STORE.build`; the finished store is
renamed into place, so that whatever stands at its own path is whole.
"""

import fcntl
import logging
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from cache.checksum import DIGEST_ATTRIBUTE, chunk_digest, tables_digest
from cache.compression import codecs_beyond_zarr, encode_signal, signal_codecs, table_compressors
from cache.schema import (
    COLUMNS,
    FORMAT_NAME,
    FORMAT_VERSION,
    SEX_CODES,
    SIGNAL,
    Column,
    Part,
    RecordRow,
    Reject,
    StoreConfig,
)
from ecg.errors import EcgError, StoreError

logger = logging.getLogger(__name__)

TABLE_CHUNK_ROWS = 65_536
PLAN_MARKER = "plan"
"""File of the build folder that holds the plan's digest; tasks lock it while they write."""


def build_folder(store: Path) -> Path:
    """The sibling folder that holds an unfinished store and its journal."""
    return store.with_name(f"{store.name}.build")


@contextmanager
def build_lock(store: Path) -> Iterator[Path]:
    """Hold the build folder of `store` for this process; the kernel lets go when the process dies.

    Raises
    ------
    StoreError
        If another process is building this store.
    """
    folder = build_folder(store)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            ours = os.path.samestat(os.fstat(lock.fileno()), os.stat(lock.name))
        except (BlockingIOError, FileNotFoundError):
            ours = False
        if not ours:  # held by another build, or by one that ended just now and took its folder along
            raise StoreError(f"{store}: another process is building it; wait for it or stop it")
        try:
            yield folder
        finally:
            if folder.is_dir() and os.listdir(folder) == ["lock"]:
                shutil.rmtree(folder)


@contextmanager
def task_lock(folder: Path, plan_digest: str) -> Iterator[None]:
    """Hold off other builds while a task writes; any number of tasks may.

    A build that is killed can leave workers behind, which finish what they were at. The next build waits for them
    (`no_task_at_work`), and a task that begins later finds that it belongs to no build any more.

    Raises
    ------
    StoreError
        If `folder` is not, or no longer, that of a build by this plan.
    """
    marker = folder / PLAN_MARKER
    with ExitStack() as held:
        try:
            file = held.enter_context(marker.open())
            fcntl.flock(file, fcntl.LOCK_SH)
            ours = os.path.samestat(os.fstat(file.fileno()), marker.stat()) and file.read() == plan_digest
        except FileNotFoundError:
            ours = False
        if not ours:
            raise StoreError(f"{folder}: no longer the folder of this build; another took its place: run it again")
        yield


@contextmanager
def no_task_at_work(folder: Path) -> Iterator[None]:
    """Wait until no worker of an earlier build writes into `folder`, and let none begin."""
    marker = folder / PLAN_MARKER
    if not marker.exists():
        yield
        return
    with marker.open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.warning("%s: waiting for the workers of an earlier build to finish what they are at", folder)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def told_what_to_do(store: Path) -> Iterator[None]:
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


def create_store(path: Path, config: StoreConfig, n_chunks: int) -> None:
    """Make an empty, incomplete store with `n_chunks` chunks of signal still to be written."""
    root = zarr.create_group(path, zarr_format=3, overwrite=True, attributes=_attributes(config, complete=False))
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


def write_chunk(path: Path, config: StoreConfig, chunk: int, block: NDArray[np.int16]) -> str:
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
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f"{chunk}.{os.getpid()}.partial")
    try:
        partial.write_bytes(encode_signal(config.codec, block))
        partial.replace(file)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    return chunk_digest(block)


def part_path(folder: Path, partition: int) -> Path:
    """Where a partition's journal entry is kept."""
    return folder / f"part-{partition}.json"


def write_part(folder: Path, part: Part) -> None:
    """Write a journal entry: whole or not at all, whatever kills the process.

    It is not flushed to the disk. Should the machine itself stop, an entry may be torn or its chunks may: both are
    noticed by the next run, which checks the digests, while waiting for the disk would cost every task.
    """
    _write_text(part_path(folder, part.partition), part.to_json(), flush=False)


def write_text_atomically(path: Path, text: str) -> None:
    """Write `text` beside `path`, flush it to the disk, then rename it into place."""
    _write_text(path, text, flush=True)


def _write_text(path: Path, text: str, *, flush: bool) -> None:
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        if flush:
            os.fsync(file.fileno())
    partial.replace(path)


def finalise(
    path: Path,
    config: StoreConfig,
    rows: Sequence[RecordRow],
    rejects: Sequence[Reject],
    chunk_digests: Mapping[int, str],
    *,
    scored_classes: Sequence[str],
    representative: Mapping[str, str],
    plan_digest: str,
) -> None:
    """Write the tables in (dataset, name) order, then the attributes with `complete`.

    Parameters
    ----------
    rows : one per record; their `group` already merged over duplicates
    chunk_digests : of every chunk, by number
    scored_classes : codes of the scored classes, in their order
    representative : scored code → the scored class that stands for it
    plan_digest : of what was asked for, by which a second build with the same inputs knows its result

    Raises
    ------
    StoreError
        If a chunk has no digest, naming every missing one.
    """
    with codecs_beyond_zarr():
        signal = zarr.open_array(path, path=SIGNAL.path, mode="r")
    n_chunks = signal.shape[1] // signal.chunks[1]
    missing = [chunk for chunk in range(n_chunks) if chunk not in chunk_digests]
    if missing:
        raise StoreError(f"{path}: chunks {', '.join(map(str, missing))} were not written; run the build again")
    rows = sorted(rows, key=lambda row: (row.dataset, row.name))
    tables = _tables(rows, chunk_digests, scored_classes, representative, n_leads=len(config.leads))
    root = zarr.open_group(path, mode="r+")
    for column in COLUMNS:
        _write_column(root, column, tables[column.path])
    attributes = _attributes(config, complete=True) | {
        "plan_digest": plan_digest,
        "n_records": len(rows),
        "datasets": _dataset_counts(rows, rejects, config.fs),
        "rejects": [
            {"dataset": r.dataset, "record": r.record, "stage": r.stage, "reason": r.reason}
            for r in sorted(rejects, key=lambda r: (r.dataset, r.record, r.stage, r.reason))
        ],
    }
    attributes[DIGEST_ATTRIBUTE] = tables_digest(tables.items(), attributes)
    for partial in path.rglob("*.partial"):
        partial.unlink()
    root.attrs.put(attributes)


def move_into_place(built: Path, store: Path) -> None:
    """Rename a finished store to its own path; an older one there goes only once the new one stands."""
    if store.exists():
        store.rename(_replaced(store))
    try:
        built.rename(store)
    finally:
        settle_replaced(store)


def settle_replaced(store: Path) -> None:
    """Remove the store that was moved aside for a new one, or put it back where the new one did not arrive."""
    old = _replaced(store)
    if old.exists() and store.exists():
        shutil.rmtree(old)
    elif old.exists():
        old.rename(store)


def _replaced(store: Path) -> Path:
    return build_folder(store) / "replaced.zarr"


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
    scored = np.zeros((len(rows), len(scored_classes)), np.uint8)
    for number, row in enumerate(rows):
        for code in row.dx_codes:
            matrix[number, class_of[code]] = 1
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
