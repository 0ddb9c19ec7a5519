"""The columns of a store's tables, from the files or objects in which they lie.

A column's sizes are those of what it is a table of (records, chunks, leads), so they are held against these before
anything is allocated; what follows from nothing else, the number of classes, is bounded by the files themselves.
"""

from collections.abc import Mapping
from itertools import product
from math import prod

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.decompression import decode_table
from ecg12.cache.metadata import MOST_CHUNKS, ArrayForm, read_array
from ecg12.cache.schema import Column
from ecg12.cache.storage.location import Location, RemotePath, in_parallel
from ecg12.cache.storage.small_file import read_small
from ecg12.ecg.errors import RemoteError, StoreError

MOST_RATIO, SMALL_BYTES = 256, 128 * 2**20
"""A column may come to so many times its files' bytes, beyond a size that any may have: tables of zeros shrink well."""

_TEXT_BYTES = 4
"""That a text takes at least, decoded."""


def read_table(store: Location, column: Column, sizes: Mapping[str, int]) -> NDArray:
    """A whole column, texts as an object array of str.

    Parameters
    ----------
    sizes : of the dimensions that are known

    Raises
    ------
    StoreError
        If a file is missing or damaged, or the column's shape is not that of its dimensions.
    RemoteError
        If it is remote and the server cannot be had.
    """
    where = f"{store}/{column.path}"
    form = read_array(store, column)
    expected = tuple(sizes.get(dim, size) for dim, size in zip(column.dims, form.shape, strict=True))
    if form.shape != expected:
        raise StoreError(
            f"{where}: shape {form.shape} along {', '.join(column.dims)}; expected {expected}: build the store again"
        )
    if prod(form.grid) > MOST_CHUNKS:
        n_chunks = f"{prod(form.grid):,} chunks; expected at most {MOST_CHUNKS:,}"
        raise StoreError(f"{where}: {n_chunks}: build the store again")
    keys = list(product(*map(range, form.grid)))
    encoded = _read_chunks(store / column.path, keys, where)
    missing = sum(data is None for data in encoded)
    if missing:
        raise StoreError(f"{where}: {missing} of its files missing; build the store again")
    try:
        return _decode(column, form, dict(zip(keys, encoded, strict=True)))  # type: ignore[arg-type]
    except ValueError as error:
        raise StoreError(f"{where}: cannot be read ({error}); build the store again") from error


def _read_chunks(folder: Location, keys: list[tuple[int, ...]], where: str) -> list[bytes | None]:
    def read(key: tuple[int, ...]) -> bytes | None:
        try:
            return read_small(folder / "/".join(("c", *map(str, key))))
        except FileNotFoundError:
            return None

    try:
        return in_parallel(read, keys) if isinstance(folder, RemotePath) else list(map(read, keys))
    except RemoteError:
        raise
    except OSError as error:
        raise StoreError(f"{where}: cannot be read ({error}); build the store again") from error


def _decode(column: Column, form: ArrayForm, encoded: Mapping[tuple[int, ...], bytes]) -> NDArray:
    text = column.dtype == "string"
    left = SMALL_BYTES + MOST_RATIO * sum(map(len, encoded.values()))
    if prod(form.shape) * (_TEXT_BYTES if text else np.dtype(column.dtype).itemsize) > left:
        raise ValueError(f"{prod(form.shape):,} values in {sum(map(len, encoded.values())):,} bytes")
    values = np.empty(form.shape, object if text else column.dtype)
    n_values = prod(form.chunks)
    for key, data in encoded.items():
        block = decode_table(data, column.dtype, n_values, left).reshape(form.chunks)
        firsts = [number * width for number, width in zip(key, form.chunks, strict=True)]
        place = tuple(slice(first, first + width) for first, width in zip(firsts, form.chunks, strict=True))
        part = values[place]
        part[...] = block[tuple(map(slice, part.shape))]
    return values
