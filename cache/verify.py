"""Proving a store: every chunk's digest, the tables' digest, that they fit the signal, and all metadata."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.checksum import DIGEST_ATTRIBUTE, OPTIONAL_DIGEST_ATTRIBUTE, chunk_digest, tables_digest
from ecg12.cache.chunk_file import RUN_VERIFY
from ecg12.cache.metadata import MOST_CHUNKS
from ecg12.cache.optional_columns import FURTHER, OPTIONAL_COLUMNS, RANK
from ecg12.cache.reader import Store
from ecg12.cache.schema import COLUMNS, SIGNAL
from ecg12.cache.several_stores import members_of
from ecg12.cache.storage.location import REQUESTS_AT_ONCE, Location, RemotePath, file_sizes
from ecg12.cache.table_values import check_places
from ecg12.cache.unknown_arrays import read_unknown
from ecg12.cache.verify_metadata import metadata_problems
from ecg12.ecg.errors import EcgError, RemoteError, StoreError


def verify_store(
    path: Location, *, workers: int = 1, advance: Callable[[int], None] = lambda n: None
) -> tuple[str, ...]:
    """Recompute every digest of a store.

    Parameters
    ----------
    workers : threads; reading, decoding and hashing all let go of the interpreter's lock. More wait for a remote store
    advance : called with 1 after each chunk

    Returns
    -------
    one line per problem, naming the chunk or column; empty when everything is as written

    Raises
    ------
    StoreError
        If there is no complete store of this version to verify.
    RemoteError
        If it is remote and the server cannot be had.
    """
    store = Store(path)
    tables, problems = _read_tables(store)
    problems += [*metadata_problems(store), *_table_problems(store, tables)]
    expected = tables.get("chunk/digest", np.full(0, None, object))
    there, missing = _chunk_numbers(store)
    problems += missing

    def check(chunk: int) -> str | None:
        try:
            found = chunk_digest(store.files.read(chunk))
        except RemoteError:
            raise  # the server is gone, and would be for every chunk
        except EcgError as error:
            return str(error).replace(RUN_VERIFY, "; build the store again")
        finally:
            advance(1)
        if chunk < len(expected) and expected[chunk] != found:
            return f"{path}/signal chunk {chunk}: SHA-256 {found}; expected {expected[chunk]}: build the store again"
        return None

    threads = max(workers, REQUESTS_AT_ONCE) if isinstance(store.path, RemotePath) else workers
    with ThreadPoolExecutor(threads) as pool:
        problems += [problem for problem in pool.map(check, there) if problem]
    return tuple(problems)


def require_tables(store: Store) -> None:
    """Hold the tables of a store, or of each of several that are read as one, against their digest.

    The crc32c of a column goes with its file wherever it goes, so it cannot tell a column from another store's, by
    which records would have somebody else's labels. It takes a hundredth of a second for a thousand records. A store
    whose columns cannot all be read is let pass, for whoever needs such a column is told; so is a remote one, where
    each column is a request.

    Raises
    ------
    StoreError
        If they are not the tables that were written together.
    """
    for member in members_of(store):
        if isinstance(member.path, RemotePath):
            continue
        tables, unreadable = _read_tables(member)
        if not unreadable:
            for problem in _unlike_digests(member, tables):
                raise StoreError(problem)


def _chunk_numbers(store: Store) -> tuple[Sequence[int], list[str]]:
    """The chunks to be looked at, and a line about those that a signal of absurd size has no files for."""
    if store.n_chunks <= MOST_CHUNKS:
        return range(store.n_chunks), []
    names = file_sizes(store.path / SIGNAL.path / "c" / "0")
    there = sorted(int(name) for name in names if name.isascii() and name.isdigit() and int(name) < store.n_chunks)
    n_missing = store.n_chunks - len(there)
    return there, [f"{store.path}/signal: {n_missing:,} of its files missing; build the store again"] * bool(n_missing)


def verify_stores(
    paths: Sequence[Location], *, workers: int = 1, advance: Callable[[int], None] = lambda n: None
) -> tuple[str, ...]:
    """`verify_store` of each; every line says which store it is about."""
    return tuple(problem for path in paths for problem in verify_store(path, workers=workers, advance=advance))


def _read_tables(store: Store) -> tuple[dict[str, NDArray], list[str]]:
    """Every column that can be read, and a line for each that cannot."""
    tables: dict[str, NDArray] = {}
    problems = []
    for column in (*COLUMNS, *OPTIONAL_COLUMNS):
        try:
            if store.has(column.path):
                tables[column.path] = store.column(column.path)
        except RemoteError:
            raise
        except StoreError as error:
            problems.append(str(error))
    return tables, problems


def _unknown_problems(store: Store) -> Iterator[str]:
    """Arrays with a digest that a later version of this program wrote, where they are not as it wrote them."""
    for path in sorted(store.listed_arrays.keys() - FURTHER.keys()):
        try:
            yield from _unlike_array(store, path, read_unknown(store.path, path))
        except RemoteError:
            raise
        except StoreError as error:
            yield str(error)


def _unlike_array(store: Store, path: str, values: NDArray) -> Iterator[str]:
    found, stated = tables_digest([(path, values)], {}), store.listed_arrays[path]
    if found != stated:
        yield f"{store.path}/{path}: SHA-256 {found}; expected {stated}: build the store again"


def _table_problems(store: Store, tables: Mapping[str, NDArray]) -> Iterator[str]:
    yield from _unlike_digests(store, tables)
    yield from _unknown_problems(store)
    yield from _unlike_classes(store, tables)
    if "record/start" in tables and "record/length" in tables:
        try:
            n_columns = store.n_chunks * store.chunk_length
            check_places(str(store.path), tables["record/start"], tables["record/length"], n_columns)
        except StoreError as error:
            yield str(error)


def _unlike_digests(store: Store, tables: Mapping[str, NDArray]) -> Iterator[str]:
    """Tables that are others than when the store was written."""
    if all(column.path in tables for column in COLUMNS):
        found = tables_digest(((column.path, tables[column.path]) for column in COLUMNS), store.attributes)
        stated = store.attributes.get(DIGEST_ATTRIBUTE)
        if found != stated:
            yield f"{store.path}: tables and attributes have SHA-256 {found}; expected {stated}: build the store again"
    rank = {RANK.path: tables[RANK.path]} if RANK.path in tables else {}
    found, stated = tables_digest(rank.items(), {}), store.attributes.get(OPTIONAL_DIGEST_ATTRIBUTE)
    if found != stated and (rank or stated is not None):
        yield f"{store.path}/{RANK.path}: SHA-256 {found}; expected {stated}: build the store again"
    for path in sorted(FURTHER.keys() & tables.keys()):
        yield from _unlike_array(store, path, tables[path])


def _unlike_classes(store: Store, tables: Mapping[str, NDArray]) -> Iterator[str]:
    """Columns that do not agree about how many classes there are; all other sizes are looked at when they are read."""
    sizes: dict[str, int] = {}
    for column in (column for column in (*COLUMNS, *OPTIONAL_COLUMNS) if column.path in tables):
        shape = tables[column.path].shape
        expected = tuple(sizes.setdefault(dim, size) for dim, size in zip(column.dims, shape, strict=True))
        if shape != expected:
            yield f"{store.path}/{column.path}: shape {shape} along {', '.join(column.dims)}; expected {expected}"
