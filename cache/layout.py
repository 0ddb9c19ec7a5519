"""The plan of a store: which columns of `signal` each record gets, decided from lengths and names alone.

A record no longer than a chunk never straddles one; a longer one starts on a chunk boundary and short ones
fill its tail. Records are placed in the order of a hash of their names, so that every chunk is a fair sample
of the corpus, and the plan does not depend on the order in which records were found.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.errors import StoreError

OPEN_CHUNKS = 16
"""Chunks with room left that a short record may still go to; bounds the plan's time for any corpus."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Partition:
    """Neighbouring chunks that one task writes, and the records (plan indices, by start) that lie in them."""

    index: int
    first_chunk: int
    n_chunks: int
    records: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Layout:
    """`start` (int64, shape (record,)) of each record in the order given, and who writes what."""

    start: NDArray[np.int64]
    n_chunks: int
    partitions: tuple[Partition, ...]


def placement_key(seed: int, dataset: str, name: str) -> bytes:
    """The hash whose order is the order of placement; stable for ever."""
    return hashlib.sha256(f"{seed}\0{dataset}\0{name}".encode()).digest()


def plan_layout(
    keys: Sequence[tuple[str, str]], lengths: NDArray[np.integer], *, chunk_length: int, seed: int
) -> Layout:
    """Place records in chunks.

    Parameters
    ----------
    keys : (dataset, name) of each record, all different
    lengths : integer array, shape (record,), samples at the store's fs, each at least 1
    chunk_length : samples in a chunk

    Raises
    ------
    StoreError
        If two records have the same key or a length is not positive.
    """
    if len(set(keys)) != len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise StoreError(f"record {'/'.join(twice)} occurs twice in the plan; expected each record once")
    if len(lengths) and int(np.min(lengths)) < 1:
        position = int(np.argmin(lengths))
        raise StoreError(f"record {'/'.join(keys[position])} has {lengths[position]} samples; expected 1 or more")
    order = sorted(range(len(keys)), key=lambda index: placement_key(seed, *keys[index]))
    start = np.zeros(len(keys), np.int64)
    shortest = int(np.min(lengths)) if len(lengths) else 0
    n_chunks = 0
    open_chunks: list[list[int]] = []  # [chunk, samples used], oldest first
    joined: set[int] = set()  # chunks that continue the one before them
    for index in order:
        length = int(lengths[index])
        place = next((place for place in open_chunks if place[1] + length <= chunk_length), None)
        if length > chunk_length or place is None:
            needed = -(-length // chunk_length)
            joined.update(range(n_chunks + 1, n_chunks + needed))
            start[index] = n_chunks * chunk_length
            n_chunks += needed
            place = [n_chunks - 1, length - (needed - 1) * chunk_length]
            open_chunks.append(place)
        else:
            start[index] = place[0] * chunk_length + place[1]
            place[1] += length
        if chunk_length - place[1] < shortest:
            open_chunks.remove(place)
        elif len(open_chunks) > OPEN_CHUNKS:
            open_chunks.remove(max(open_chunks, key=lambda place: place[1]))
    return Layout(
        start=start,
        n_chunks=n_chunks,
        partitions=_partitions(start, lengths, n_chunks, joined, chunk_length),
    )


def _partitions(
    start: NDArray[np.int64],
    lengths: NDArray[np.integer],
    n_chunks: int,
    joined: set[int],
    chunk_length: int,
) -> tuple[Partition, ...]:
    partition_of_chunk = np.cumsum([chunk not in joined for chunk in range(n_chunks)]) - 1
    n_partitions = int(partition_of_chunk[-1]) + 1 if n_chunks else 0
    members: list[list[int]] = [[] for _ in range(n_partitions)]
    for index in np.argsort(start):
        members[partition_of_chunk[start[index] // chunk_length]].append(int(index))
    first = np.searchsorted(partition_of_chunk, np.arange(n_partitions + 1))
    return tuple(
        Partition(
            index=number,
            first_chunk=int(first[number]),
            n_chunks=int(first[number + 1] - first[number]),
            records=tuple(members[number]),
        )
        for number in range(n_partitions)
    )
