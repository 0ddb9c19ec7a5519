"""Batches of windows from a store: chunks in random order, several at a time as a shuffle buffer.

Because the store places records by hash, every chunk is a fair sample of the corpus, and shuffling among a few
chunks is nearly as good as shuffling everything, while each chunk is decoded once an epoch.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cache.reader import Store
from ecg.errors import ConfigError
from ecg.window import WindowConfig, WindowPlan, cut_window, plan_windows

BUFFER_CHUNKS = 8
"""Chunks decoded together: 50 MB of int16 at the default chunk length."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Batch:
    """Windows side by side; samples are still the store's int16.

    Attributes
    ----------
    signal : int16 tensor, shape (window, lead, window_length), µV; float32 where it is not from a store
    valid, pad : int64 tensors, shape (window,): recorded samples, zeros in front of them
    scale : float32 tensor, shape (window,): the record's amplitude, µV
    record : int64 tensor, shape (window,): row of the record in the store
    number : int64 tensor, shape (window,): number of the window in its record
    """

    signal: Tensor
    valid: Tensor
    pad: Tensor
    scale: Tensor
    record: Tensor
    number: Tensor

    def __len__(self) -> int:
        return len(self.signal)


class WindowBatches:
    """Iterates over the windows of some of a store's records.

    Parameters
    ----------
    store : the store
    rows : the records to take, rows of the store
    windows : how records are cut
    batch_size : windows in a batch; the last one of an epoch may be smaller
    seed : of the order; None keeps the store's order
    max_windows_per_record : random ones of a longer record, others each epoch, so that half-hour records do
        not flood the training; None takes all
    lengths : samples of each of `rows` to take as there, no more than the store has; None takes all
    """

    def __init__(
        self,
        store: Store,
        rows: NDArray[np.integer],
        windows: WindowConfig,
        *,
        batch_size: int,
        seed: int | None = None,
        max_windows_per_record: int | None = None,
        lengths: NDArray[np.integer] | None = None,
    ) -> None:
        if batch_size < 1:
            raise ConfigError(f"batch_size is {batch_size}; expected at least 1 window")
        if max_windows_per_record is not None and max_windows_per_record < 1:
            raise ConfigError(f"max_windows_per_record is {max_windows_per_record}; expected at least 1")
        self.store = store
        self.rows = np.asarray(rows, np.int64)
        self.batch_size = batch_size
        self.seed = seed
        self.max_windows_per_record = max_windows_per_record
        self.plan = plan_windows(store.lengths[self.rows] if lengths is None else lengths, windows)
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order (and the choice of long records' windows) of the next iteration."""
        self.epoch = epoch

    @property
    def n_windows(self) -> int:
        """Windows in an epoch."""
        if self.max_windows_per_record is None:
            return len(self.plan)
        counts = np.bincount(self.plan.record, minlength=len(self.rows))
        return int(np.minimum(counts, self.max_windows_per_record).sum())

    def __len__(self) -> int:
        """Batches in an epoch."""
        return -(-self.n_windows // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        left_over = np.zeros(0, np.int64)
        buffer: dict[int, NDArray[np.int16]] = {}
        for chunks, windows in self._buffers():
            # the windows left over from the buffer before still need its chunks
            buffer |= {chunk: self.store.read_chunk(chunk) for chunk in chunks}
            windows = np.concatenate([left_over, windows])
            n_whole = len(windows) // self.batch_size * self.batch_size
            for first in range(0, n_whole, self.batch_size):
                yield self._collate(windows[first : first + self.batch_size], buffer)
            left_over = windows[n_whole:]
            needed = set(self._chunks_of(left_over).tolist())
            buffer = {chunk: block for chunk, block in buffer.items() if chunk in needed}
        if len(left_over):
            yield self._collate(left_over, buffer)

    def _chunks_of(self, windows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Chunk in which each window (plan index) starts."""
        return self._columns_of(windows) // self.store.chunk_length

    def _columns_of(self, windows: NDArray[np.int64]) -> NDArray[np.int64]:
        return self.store.starts[self.rows[self.plan.record[windows]]] + self.plan.start[windows]

    def _buffers(self) -> Iterator[tuple[list[int], NDArray[np.int64]]]:
        """Chunks to hold together, and the windows (plan indices) that start in them, in the epoch's order."""
        selected = self._selected()
        column = self._columns_of(selected)
        chunk = column // self.store.chunk_length
        chunks = np.unique(chunk)
        if self.seed is not None:
            chunks = chunks[_permutation(len(chunks), self.seed, self.epoch, stream=1)]
        for first in range(0, len(chunks), BUFFER_CHUNKS):
            held = chunks[first : first + BUFFER_CHUNKS]
            here = np.isin(chunk, held)
            windows = selected[here]
            if self.seed is None:
                order = np.argsort(column[here], kind="stable")
            else:
                order = _permutation(len(windows), self.seed, self.epoch, stream=2 + first // BUFFER_CHUNKS)
            yield held.tolist(), windows[order]

    def _selected(self) -> NDArray[np.int64]:
        """Plan indices of this epoch's windows, ascending."""
        limit = self.max_windows_per_record
        everything = np.arange(len(self.plan))
        if limit is None or self.n_windows == len(self.plan):
            return everything
        # rank of each window within its record, in random order: the first `limit` stay
        shuffled = _permutation(len(self.plan), self.seed or 0, self.epoch, stream=0)
        shuffled = shuffled[np.argsort(self.plan.record[shuffled], kind="stable")]
        counts = np.bincount(self.plan.record, minlength=len(self.rows))
        rank = everything - np.repeat(np.cumsum(counts) - counts, counts)
        return np.sort(shuffled[rank < limit])

    def _collate(self, windows: NDArray[np.int64], blocks: dict[int, NDArray[np.int16]]) -> Batch:
        plan, width = self.plan, self.store.chunk_length
        rows = self.rows[plan.record[windows]]
        signal = np.empty((len(windows), len(self.store.leads), plan.window_length), np.int16)
        starts = self._columns_of(windows)
        for place, (window, start) in enumerate(zip(windows, starts, strict=True)):
            chunk, column, valid = start // width, start % width, plan.valid[window]
            if column + valid <= width:
                block = blocks[chunk]
            else:  # a long record's window may reach into the next chunk
                block, column = self.store.read_columns(int(start), int(start + valid)), 0
            cut_window(block, column, valid, plan.pad[window], signal[place])
        return Batch(
            signal=torch.from_numpy(signal),
            valid=torch.from_numpy(plan.valid[windows]),
            pad=torch.from_numpy(plan.pad[windows]),
            scale=torch.from_numpy(self.store.column("record/scale")[rows]),
            record=torch.from_numpy(rows),
            number=torch.from_numpy(plan.number[windows]),
        )


def cut_record(signal_uv: NDArray[np.float32], plan: WindowPlan, *, scale: float, row: int) -> Batch:
    """All windows of one record that is in memory.

    Parameters
    ----------
    signal_uv : float32 array, shape (lead, sample), µV
    plan : windows of this record alone
    scale : its amplitude, µV
    row : what the batch shall call it
    """
    windows: NDArray[np.float32] = np.empty((len(plan), len(signal_uv), plan.window_length), np.float32)
    for number in range(len(plan)):
        cut_window(signal_uv, plan.start[number], plan.valid[number], plan.pad[number], windows[number])
    return Batch(
        signal=torch.from_numpy(windows),
        valid=torch.from_numpy(plan.valid),
        pad=torch.from_numpy(plan.pad),
        scale=torch.full((len(plan),), scale),
        record=torch.full((len(plan),), row),
        number=torch.from_numpy(plan.number),
    )


def _permutation(n: int, seed: int, epoch: int, *, stream: int) -> NDArray[np.int64]:
    """A permutation of n that is a pure function of its arguments, on any machine and numpy version.

    The raw output of Philox (Salmon et al. 2011) is fixed by its definition; its order is the permutation.
    """
    key = np.array([seed, epoch], np.uint64)
    raw = np.random.Philox(key=key, counter=[0, 0, 0, stream]).random_raw(n)
    return np.argsort(raw, kind="stable")
