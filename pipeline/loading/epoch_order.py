"""The order in which an epoch visits windows: pure functions of seed, epoch, rank and world size.

No sample is touched here. The randomness is the raw output of a counter generator, which is fixed by its
definition, so that an order is the same on any machine and with any version of numpy, and can be resumed. All of it
is a handful of sorts: ten million windows are planned in seconds.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.errors import ConfigError

ORDER_VERSION = 1
"""Grows whenever an order changes, so that no saved state is gone on with in another order."""

_CHOICE, _UNITS, _WITHIN, _VISITS = 0, 1, 2, 3
"""Streams of the generator: windows of long records, units in an epoch, windows in a buffer, visits to a chunk."""

_LARGEST = np.uint64(2**64 - 1)

_LOW_BITS = 44
"""Of a sorting key, below the number of the buffer; two equal ones stay in the plan's order."""


def random_keys(n: int, seed: int, epoch: int, *, stream: int) -> NDArray[np.uint64]:
    """n numbers of 64 random bits that follow from the arguments alone.

    They are raw outputs of Philox (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") under the key
    (seed, epoch).
    """
    key = np.array([seed, epoch], np.uint64)
    return np.random.Philox(key=key, counter=[0, 0, 0, stream]).random_raw(n)


def permutation(n: int, seed: int, epoch: int, *, stream: int = _UNITS) -> NDArray[np.int64]:
    """A permutation of n that follows from its arguments alone: the order of n random keys."""
    return np.argsort(random_keys(n, seed, epoch, stream=stream), kind="stable")


def choose_windows(record: NDArray[np.int64], limit: int | None, *, seed: int, epoch: int) -> NDArray[np.int64]:
    """At most `limit` random windows of each record, others each epoch, so that long records do not flood.

    Parameters
    ----------
    record : int64 array, shape (window,), ascending: the record of each window
    limit : windows of a record to keep; None keeps all

    Returns
    -------
    int64 array: positions of the windows kept, ascending
    """
    everything = np.arange(len(record))
    if limit is None or not len(record):
        return everything
    first = np.flatnonzero(np.diff(record, prepend=record[0] - 1))
    counts = np.diff(first, append=len(record))
    if counts.max() <= limit:
        return everything
    shuffled = permutation(len(record), seed, epoch, stream=_CHOICE)
    shuffled = shuffled[np.argsort(record[shuffled], kind="stable")]  # random order within each record
    rank = everything - np.repeat(first, counts)
    return np.sort(shuffled[rank < limit])


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class EpochOrder:
    """The windows that a rank visits in an epoch, in order.

    Attributes
    ----------
    windows : int64 array: positions in the window plan; -1 for none
    counted : bool array, shape as `windows`: False for a repeat that only makes ranks equally long, and for none
    buffers : int64 array, shape (buffer + 1,), ascending: where in `windows` each shuffle buffer starts, and the end
    reset : bool array, shape as `windows`: whether a recurrent model forgets before it; None for everywhere
    """

    windows: NDArray[np.int64]
    counted: NDArray[np.bool_]
    buffers: NDArray[np.int64]
    reset: NDArray[np.bool_] | None = None


def share_of_rank(n: int, rank: int, world_size: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Positions of an epoch's n windows that a rank visits: every world-th, with all ranks equally long.

    Returns
    -------
    positions : int64 array; where n is not a multiple of the world size the first few come again at the end
    counted : bool array: False for such a repeat, which must not count in loss or metrics

    Raises
    ------
    ConfigError
        If the rank is not below the world size, or there are fewer windows than ranks.
    """
    _check_rank(n, rank, world_size)
    positions = np.arange(rank, -(-n // world_size) * world_size, world_size)
    return positions % n if n else positions, positions < n


def order_resident(
    selected: NDArray[np.int64], *, seed: int | None, epoch: int, rank: int = 0, world_size: int = 1
) -> EpochOrder:
    """A true permutation of the selected windows, or their own order without a seed; every world-th of it."""
    positions, counted = share_of_rank(len(selected), rank, world_size)
    windows = selected if seed is None else selected[permutation(len(selected), seed, epoch)]
    return EpochOrder(windows=windows[positions], counted=counted, buffers=np.array([0, len(positions)]))


def order_streamed(
    selected: NDArray[np.int64],
    chunk: NDArray[np.int64],
    record: NDArray[np.int64],
    *,
    seed: int | None,
    epoch: int,
    buffer_windows: int,
    windows_of_a_record: int,
    rank: int = 0,
    world_size: int = 1,
) -> EpochOrder:
    """Chunks in random order, so many at a time as fill a buffer, and the windows of a buffer in random order.

    A chunk full of one long record's windows would fill a share of the buffer with that record. So at most
    `windows_of_a_record` of them come with the chunk, and the chunk comes again with the next ones; all such visits to
    one record are evenly spread over the epoch.

    The epoch's order is the ranks' orders taken in turn, entry by entry, so that here, too, every world-th entry is a
    rank's. A rank's own is a stretch of the chunks in their random order: it decodes its own chunks and no others,
    but for one that it may share with the next rank.

    Parameters
    ----------
    selected : int64 array: positions in the window plan, ascending
    chunk, record : int64 arrays, shape as `selected`: chunk in which each window starts, and its record
    seed : None keeps the order of the chunks, and of the windows in them
    buffer_windows : windows that a buffer holds, give or take a chunk's
    windows_of_a_record : of one record that come with one visit to a chunk

    Raises
    ------
    ConfigError
        If the rank is not below the world size, or there are fewer windows than ranks.
    """
    n = len(selected)
    _check_rank(n, rank, world_size)
    if not n:
        return EpochOrder(windows=selected, counted=np.zeros(0, bool), buffers=np.array([0]))
    first, last = ((r * (n // world_size) + min(r, n % world_size)) for r in (rank, rank + 1))
    mine, key = _sorting_keys(
        *_units(chunk, record, seed=seed, epoch=epoch, windows_of_a_record=windows_of_a_record),
        (first, last),
        buffer_windows=buffer_windows,
        within=None if seed is None else random_keys(n, seed, epoch, stream=_WITHIN),
    )
    order = np.argsort(key, kind="stable")
    key >>= np.uint64(_LOW_BITS)  # what is left is the number of the buffer
    starts = np.flatnonzero(np.diff(key[order], prepend=np.uint64(2**63)))
    windows = selected[order] if mine is None else selected[mine[order]]
    counted = np.ones(-(-n // world_size), bool)
    counted[len(windows) :] = False  # at most one: the last comes again
    windows = np.append(windows, windows[len(windows) - (len(counted) - len(windows)) :])
    return EpochOrder(windows=windows, counted=counted, buffers=np.append(starts, len(windows)))


def _sorting_keys(
    unit: NDArray[np.int64],
    place: NDArray[np.int64],
    share: tuple[int, int],
    *,
    buffer_windows: int,
    within: NDArray[np.uint64] | None,
) -> tuple[NDArray[np.int64] | None, NDArray[np.uint64]]:
    """Positions of a rank's windows (None for all), and by which key they are sorted: buffer, then `within` or unit.

    Parameters
    ----------
    unit : of each window
    place : of each unit in the epoch
    share : the windows from which number to which of the epoch are the rank's
    within : random keys of the windows; None keeps units and windows in order
    """
    size = np.bincount(unit)
    # begins: for each unit, how many windows come before it in the epoch
    begins = np.empty(len(size), np.int64)
    in_order = np.argsort(place)
    begins[in_order] = np.cumsum(size[in_order]) - size[in_order]
    mine = _positions_between(unit, begins, size, *share)
    if mine is not None:
        unit, within = unit[mine], None if within is None else within[mine]
    buffer = np.maximum(begins - share[0], 0) // buffer_windows
    key = (buffer.astype(np.uint64) << np.uint64(_LOW_BITS))[unit]
    key |= place.astype(np.uint64)[unit] if within is None else within >> np.uint64(64 - _LOW_BITS)
    return mine, key


def _check_rank(n: int, rank: int, world_size: int) -> None:
    if not 0 <= rank < world_size:
        raise ConfigError(f"rank is {rank}; expected 0 to {world_size - 1}")
    if 0 < n < world_size:
        raise ConfigError(f"{n} windows for {world_size} ranks; expected at least one for each")


def _units(
    chunk: NDArray[np.int64],
    record: NDArray[np.int64],
    *,
    seed: int | None,
    epoch: int,
    windows_of_a_record: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The unit of each window, and the place of each unit in the epoch; a unit is one visit to one chunk."""
    present = np.bincount(chunk) > 0
    if seed is None:
        unit_of_chunk = np.cumsum(present) - 1
        return unit_of_chunk[chunk], np.arange(int(present.sum()))
    visit, n_visits, root = _visits(chunk, record, windows_of_a_record, present, seed=seed, epoch=epoch)
    first_unit = np.cumsum(n_visits) - n_visits
    root_of_unit = root[np.repeat(np.arange(len(n_visits)), n_visits)]
    # the visits of a root stand an equal part of the circle of 64-bit numbers apart, from a random place on it
    number = (np.arange(len(root_of_unit)) - first_unit[root_of_unit]).astype(np.uint64)
    n_of_root = np.bincount(root_of_unit)[root_of_unit].astype(np.uint64)
    key = random_keys(len(n_visits), seed, epoch, stream=_UNITS)[root_of_unit] + number * (_LARGEST // n_of_root)
    place = np.empty(len(key), np.int64)
    place[np.argsort(key, kind="stable")] = np.arange(len(key))
    return first_unit[chunk] + visit, place


def _visits(
    chunk: NDArray[np.int64],
    record: NDArray[np.int64],
    limit: int,
    present: NDArray[np.bool_],
    *,
    seed: int,
    epoch: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """With which visit to its chunk each window comes; how many visits each chunk gets, and its root.

    A chunk's root is itself, or where a long record goes on in it, the chunk that record begins in.
    """
    # a record's windows stand together and in order, so those of them in one chunk are a run
    starts = np.flatnonzero((np.diff(record, prepend=-1) != 0) | (np.diff(chunk, prepend=-1) != 0))
    lengths = np.diff(starts, append=len(record))
    visit = np.zeros(len(record), np.int64)
    n_visits, root = present.astype(np.int64), np.arange(len(present))
    crowded = lengths > limit
    if crowded.any():
        run = np.repeat(np.arange(int(crowded.sum())), lengths[crowded])
        first = np.cumsum(lengths[crowded]) - lengths[crowded]
        rank = np.arange(len(run)) - first[run]
        windows = np.repeat(starts[crowded], lengths[crowded]) + rank
        shuffled = np.lexsort((random_keys(len(windows), seed, epoch, stream=_VISITS), run))
        visit[windows[shuffled]] = rank // limit
        np.maximum.at(n_visits, chunk[windows], visit[windows] + 1)
        begins = np.diff(record[starts], prepend=-1) != 0
        first_chunk = chunk[starts][begins][np.cumsum(begins) - 1]
        np.minimum.at(root, chunk[starts][crowded], first_chunk[crowded])
    return visit, n_visits, root


def _positions_between(
    unit: NDArray[np.int64], begins: NDArray[np.int64], size: NDArray[np.int64], first: int, last: int
) -> NDArray[np.int64] | None:
    """Positions of the windows that are number `first` up to `last` of the epoch, ascending; None for all."""
    ends = begins + size
    whole = (begins >= first) & (ends <= last)
    if whole.all():
        return None
    parts = [np.flatnonzero(whole[unit])]
    for cut in np.flatnonzero(~whole & (ends > first) & (begins < last)):
        inside = slice(max(first - int(begins[cut]), 0), max(last - int(begins[cut]), 0))
        parts.append(np.flatnonzero(unit == cut)[inside])
    return np.sort(np.concatenate(parts))
