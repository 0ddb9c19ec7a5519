"""Proving a store: every chunk's digest, the tables' digest, and that the tables fit the signal."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from cache.checksum import DIGEST_ATTRIBUTE, OPTIONAL_DIGEST_ATTRIBUTE, chunk_digest, tables_digest
from cache.location import REQUESTS_AT_ONCE, Location, RemotePath
from cache.reader import Store
from cache.schema import COLUMNS, OPTIONAL_COLUMNS
from ecg.errors import EcgError, RemoteError, StoreError


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
    problems: list[str] = []
    try:
        expected = store.column("chunk/digest")
        problems += _table_problems(store)
    except StoreError as error:
        problems.append(str(error))
        expected = np.full(store.n_chunks, None, object)

    def check(chunk: int) -> str | None:
        try:
            found = chunk_digest(store.read_chunk(chunk))
        except RemoteError:
            raise  # the server is gone, and would be for every chunk
        except EcgError as error:
            return str(error)
        finally:
            advance(1)
        if chunk < len(expected) and expected[chunk] not in (None, found):
            return f"{path}/signal chunk {chunk}: SHA-256 {found}; expected {expected[chunk]}: build the store again"
        return None

    threads = max(workers, REQUESTS_AT_ONCE) if isinstance(store.path, RemotePath) else workers
    with ThreadPoolExecutor(threads) as pool:
        problems += [problem for problem in pool.map(check, range(store.n_chunks)) if problem]
    return tuple(problems)


def verify_stores(
    paths: Sequence[Location], *, workers: int = 1, advance: Callable[[int], None] = lambda n: None
) -> tuple[str, ...]:
    """`verify_store` of each; every line says which store it is about."""
    return tuple(problem for path in paths for problem in verify_store(path, workers=workers, advance=advance))


def _table_problems(store: Store) -> Iterator[str]:
    tables = {column.path: store.column(column.path) for column in COLUMNS}
    found = tables_digest(tables.items(), store.attributes)
    stated = store.attributes.get(DIGEST_ATTRIBUTE)
    if found != stated:
        yield f"{store.path}: tables and attributes have SHA-256 {found}; expected {stated}: build the store again"
    optional = {column.path: store.column(column.path) for column in OPTIONAL_COLUMNS if store.has(column.path)}
    found, stated = tables_digest(optional.items(), {}), store.attributes.get(OPTIONAL_DIGEST_ATTRIBUTE)
    if found != stated and (optional or stated is not None):
        paths = ", ".join(column.path for column in OPTIONAL_COLUMNS)
        yield f"{store.path}/{paths}: SHA-256 {found}; expected {stated}: build the store again"
    tables |= optional
    sizes = {"record": store.n_records, "chunk": store.n_chunks, "lead": len(store.leads)}
    misshapen = False
    for column in (column for column in (*COLUMNS, *OPTIONAL_COLUMNS) if column.path in tables):
        shape = tables[column.path].shape
        expected = tuple(sizes.setdefault(dim, size) for dim, size in zip(column.dims, shape, strict=False))
        if shape != expected:
            misshapen = True
            yield f"{store.path}/{column.path}: shape {shape} along {', '.join(column.dims)}; expected {expected}"
    if misshapen:
        return
    starts, lengths = tables["record/start"], tables["record/length"]
    order = np.argsort(starts)
    ends = (starts + lengths)[order]
    if len(starts) and (
        starts.min() < 0
        or ends[-1] > store.n_chunks * store.chunk_length
        or (lengths < 1).any()
        or (starts[order][1:] < ends[:-1]).any()
    ):
        yield f"{store.path}/record/start: records overlap or lie outside the signal; build the store again"
