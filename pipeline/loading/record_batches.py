"""Batches that go through records row by row, for models that carry something from a window to the next.

Row r of a batch goes on where row r of the batch before stopped: with the next window of its record, or with a new
record, which its reset flag says. So a recurrent head keeps its state beside the rows, detached between batches.
"""

import heapq
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg12.pipeline.loading.epoch_order import EpochOrder, permutation, random_keys
from ecg12.pipeline.loading.window_batches import WindowBatches

_CHUNKS, _RECORDS, _STRETCHES = 4, 5, 6
"""Streams of the generator: the order of chunks, of records among their neighbours, and where stretches begin."""


class RecordBatches(WindowBatches):
    """Iterates over records in rows; `WindowBatches` says what it shares with it.

    `batch_size` is the number of rows. Of a longer record `max_windows_per_record` windows on end are taken,
    beginning with a random one. A row without a window has zeros and record -1, and does not count: there are few, at
    the end of an epoch, unless a record is longer than its row's share of the epoch. Epochs may differ by a few
    batches. Whoever goes on inside an epoch must have kept the model's state, too.
    """

    _planned: tuple[int, EpochOrder] | None = None

    @property
    def n_windows(self) -> int:
        """Windows in the present epoch, of this rank."""
        return int(self._order().counted.sum())

    def __len__(self) -> int:
        """Batches in the present epoch."""
        return len(self._order().windows) // self.batch_size

    def windows_of_all(self, number: int) -> int:
        """Windows of batch `number` of the present epoch, on all ranks: rows end at different times."""
        self._order()
        return int(self._counts[number])

    def _order(self) -> EpochOrder:
        if self._planned is None or self._planned[0] != self.epoch:
            self._planned = self.epoch, self._plan_epoch()
        return self._planned[1]

    def _plan_epoch(self) -> EpochOrder:
        n_rows = self.batch_size * self.world_size
        first, n_windows = choose_stretches(
            self.plan.record, self.max_windows_per_record, seed=self.seed, epoch=self.epoch
        )
        order = order_records(
            self.stored.chunk[first],
            n_windows,
            seed=self.seed,
            epoch=self.epoch,
            n_rows=n_rows,
            chunks_apart=self.buffer_chunks,
        )
        windows, reset = pack_rows(first[order], n_windows[order], n_rows)
        self._counts = (windows >= 0).sum(axis=1)
        mine = slice(self.rank * self.batch_size, (self.rank + 1) * self.batch_size)
        windows, reset = windows[:, mine].ravel(), reset[:, mine].ravel()
        in_buffer = max(self.buffer_windows // self.batch_size, 1) * self.batch_size
        buffers = np.append(np.arange(0, len(windows), in_buffer), len(windows))
        return EpochOrder(windows=windows, counted=windows >= 0, buffers=buffers, reset=reset)

    def _identity(self) -> dict[str, Any]:
        return super()._identity() | {"rows": "records"}


def choose_stretches(
    record: NDArray[np.int64], limit: int | None, *, seed: int | None, epoch: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each record the position of the first window to take, and how many from there.

    Parameters
    ----------
    record : int64 array, shape (window,), ascending: the record of each window
    limit : windows on end to take of a longer record, beginning anywhere (without a seed with its first); None
        takes all
    """
    first = np.flatnonzero(np.diff(record, prepend=-1))
    counts = np.diff(first, append=len(record))
    taken = counts if limit is None else np.minimum(counts, limit)
    if seed is not None:
        places = (counts - taken + 1).astype(np.uint64)
        first = first + (random_keys(len(first), seed, epoch, stream=_STRETCHES) % places).astype(np.int64)
    return first, taken


def order_records(
    chunk: NDArray[np.int64],
    n_windows: NDArray[np.int64],
    *,
    seed: int | None,
    epoch: int,
    n_rows: int,
    chunks_apart: int,
) -> NDArray[np.int64]:
    """The order in which records come to rows: by chunk, in a random order of chunks, but long ones not at the end.

    Neighbours in a chunk are spread over the length of `chunks_apart` chunks, so that batches mix them and yet few
    chunks are needed at a time. A record of n windows comes within the first 1 - n/length of an epoch of that length,
    so that its row does not outlast the others.

    Parameters
    ----------
    chunk, n_windows : int64 arrays, shape (record,): where each begins, and its windows
    seed : None keeps the records' order
    n_rows : rows that take the records

    Returns
    -------
    int64 array: the records in order
    """
    n = len(chunk)
    if seed is None or not n:
        return np.arange(n)
    chunks, index = np.unique(chunk, return_inverse=True)
    place = np.empty(len(chunks), np.int64)
    place[permutation(len(chunks), seed, epoch, stream=_CHUNKS)] = np.arange(len(chunks))
    scatter = random_keys(n, seed, epoch, stream=_RECORDS) / 2.0**64
    key = (place[index] + scatter * chunks_apart) / (len(chunks) + chunks_apart)
    length = max(int(n_windows.sum()) / n_rows, 1.0)
    return np.argsort(key * np.maximum(1 - n_windows / length, 0), kind="stable")


def pack_rows(
    first: NDArray[np.int64], n_windows: NDArray[np.int64], n_rows: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Give each record in turn to the row that is free first.

    Parameters
    ----------
    first, n_windows : int64 arrays, shape (record,): position of each record's first window, and how many follow on

    Returns
    -------
    windows : int64 array, shape (batch, row): position of the window there, -1 for none
    reset : bool array, shape (batch, row): False where a record goes on
    """
    free = [(0, row) for row in range(n_rows)]
    begin, row = np.empty(len(first), np.int64), np.empty(len(first), np.int64)
    for number, n in enumerate(n_windows.tolist()):
        begin[number], row[number] = free[0]
        heapq.heapreplace(free, (free[0][0] + n, free[0][1]))
    windows = np.full((max(free)[0], n_rows), -1, np.int64)
    reset = np.ones(windows.shape, bool)
    step = np.arange(int(n_windows.sum())) - np.repeat(np.cumsum(n_windows) - n_windows, n_windows)
    where = np.repeat(begin, n_windows) + step, np.repeat(row, n_windows)
    windows[where] = np.repeat(first, n_windows) + step
    reset[where] = step == 0
    return windows, reset
