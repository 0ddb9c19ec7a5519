"""Windows at rest: where in a store each lies, and how decoded chunks become windows."""

import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ecg12.cache.chunk_reader import ChunkReader
from ecg12.ecg.signals.window import WindowPlan, cut_window
from ecg12.pipeline.loading.chunks_ahead import CONNECTIONS, NOTHING, FetchedChunks, chunks_ahead
from ecg12.pipeline.loading.epoch_order import EpochOrder, order_streamed
from ecg12.pipeline.loading.reused_memory import WindowMemory
from ecg12.pipeline.runtime.prefetch import prefetch

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StoredWindows:
    """Planned windows of a store's records; all arrays but `plan`'s are its own.

    Attributes
    ----------
    reader : gives the chunks
    plan : the windows
    column : int64 array, shape (window,): first column of each in the signal
    chunk : int64 array, shape (window,): chunk in which each starts
    connections : requests at once for remote chunks
    """

    reader: ChunkReader
    plan: WindowPlan
    column: NDArray[np.int64]
    chunk: NDArray[np.int64]
    connections: int = CONNECTIONS
    _scratch: threading.local = field(default_factory=threading.local)

    @classmethod
    def of(cls, reader: ChunkReader, rows: NDArray[np.int64], plan: WindowPlan) -> "StoredWindows":
        """The windows of the records `rows` of a store, as planned."""
        column = reader.store.starts[rows[plan.record]] + plan.start
        return cls(reader=reader, plan=plan, column=column, chunk=column // reader.store.chunk_length)

    @property
    def shape(self) -> tuple[int, int]:
        """(lead, sample) of a window."""
        return self.reader.shape[0], self.plan.window_length

    @property
    def n_bytes(self) -> int:
        """Of all windows as int16."""
        return len(self.plan) * int(np.prod(self.shape)) * 2

    def chunks_for(self, chunk: int, windows: NDArray[np.int64]) -> tuple[int, ...]:
        """The chunks that hold windows which start in `chunk`: itself, and the next where a long record goes on."""
        end = (chunk + 1) * self.reader.shape[1]
        return (chunk, chunk + 1) if (self.column[windows] + self.plan.valid[windows] > end).any() else (chunk,)

    def cut(
        self,
        chunk: int,
        windows: NDArray[np.int64],
        out: Sequence[NDArray[np.int16]],
        fetched: FetchedChunks = NOTHING,
    ) -> None:
        """Decode a chunk and copy windows that start in it, each into its (lead, sample) array of `out`.

        What is remote may have been `fetched`.
        """
        block = self._block(0)
        self.reader.read(chunk, block, fetched=fetched.bytes_of(chunk))
        width = block.shape[1]
        numbers = (self.column[windows] - chunk * width, self.plan.valid[windows], self.plan.pad[windows])
        following: NDArray[np.int16] | None = None
        for target, column, valid, pad in zip(out, *(values.tolist() for values in numbers), strict=True):
            if column + valid <= width:
                cut_window(block, column, valid, pad, target)
                continue
            if following is None:  # a long record goes on in the next chunk
                following = self.reader.read(chunk + 1, self._block(1), fetched=fetched.bytes_of(chunk + 1))
            joined = np.concatenate([block[:, column:], following[:, : column + valid - width]], axis=1)
            cut_window(joined, 0, valid, pad, target)

    def _block(self, number: int) -> NDArray[np.int16]:
        """A thread's own memory for a decoded chunk: it stays in the processor's cache from chunk to chunk."""
        blocks = self._scratch.__dict__
        if number not in blocks:
            blocks[number] = np.empty(self.reader.shape, np.int16)  # type: ignore[index]
        return blocks[number]  # type: ignore[index]


def by_chunk(
    stored: StoredWindows, windows: NDArray[np.int64]
) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
    """(chunk, windows that start in it, their positions in `windows`), chunk by chunk; -1 is no window."""
    positions = np.flatnonzero(windows >= 0)
    chunk = stored.chunk[windows[positions]]
    order = np.argsort(chunk, kind="stable")
    positions, chunk = positions[order], chunk[order]
    firsts = np.flatnonzero(np.diff(chunk, prepend=-1))
    for first, last in zip(firsts, [*firsts[1:], len(chunk)], strict=True):
        here = positions[first:last]
        yield int(chunk[first]), windows[here], here


def stream_batches(
    stored: StoredWindows,
    order: EpochOrder,
    memory: WindowMemory,
    *,
    batch_size: int,
    first_batch: int,
    threads: int,
) -> Generator[Tensor, None, None]:
    """The signals of an epoch's batches, int16 (window, lead, sample), from batch `first_batch` on.

    A buffer's chunks are decoded by threads, and each window is copied straight to its place in its batch; once the
    last chunk is done, the buffer's batches are whole. Meanwhile the next buffer's chunks are decoded, and no more.
    Remote chunks are fetched by other threads, see `pipeline.loading.chunks_ahead`.
    """
    plan = _StreamPlan(stored, order, memory, batch_size=batch_size, first_batch=first_batch)
    n_windows, next_batch = len(order.windows), first_batch
    with (
        closing(with_chunks(plan.jobs(), plan.chunks(), stored)) as jobs,
        closing(prefetch(jobs, threads=threads, ahead=plan.jobs_in_buffer)) as finished,
    ):
        for done in finished:
            while next_batch * batch_size < n_windows and min((next_batch + 1) * batch_size, n_windows) <= done:
                yield plan.batches.pop(next_batch)
                next_batch += 1


class _StreamPlan:
    """What the threads of a streamed epoch do, buffer by buffer."""

    def __init__(
        self, stored: StoredWindows, order: EpochOrder, memory: WindowMemory, *, batch_size: int, first_batch: int
    ) -> None:
        self.stored = stored
        self.order = order
        self.memory = memory
        self.batch_size = batch_size
        self.first = first_batch * batch_size
        self.batches: dict[int, Tensor] = {}
        # the first buffer stands for all: chunks are fair samples of the corpus
        sample = order.windows[: order.buffers[1]] if len(order.buffers) > 1 else order.windows
        self.jobs_in_buffer = len(np.unique(stored.chunk[sample[sample >= 0]]))

    def _buffers(self) -> Iterator[tuple[int, int]]:
        """Where in the order each buffer that is still wanted begins and ends."""
        for begin, end in zip(self.order.buffers[:-1].tolist(), self.order.buffers[1:].tolist(), strict=True):
            if end > self.first:
                yield max(begin, self.first), end

    def chunks(self) -> Iterator[tuple[int, ...]]:
        """The chunks that each of `jobs` needs; nothing is held for them."""
        for begin, end in self._buffers():
            groups = list(by_chunk(self.stored, self.order.windows[begin:end]))
            yield from (self.stored.chunks_for(chunk, windows) for chunk, windows, _ in groups)
            if not groups:
                yield ()

    def jobs(self) -> Iterator[Callable[[FetchedChunks], int]]:
        """One job for each chunk of each buffer; it gives back up to where in the order all is done after it."""
        for begin, end in self._buffers():
            targets = self._targets(begin, end)
            groups = list(by_chunk(self.stored, self.order.windows[begin:end]))
            for number, (chunk, windows, positions) in enumerate(groups):
                done = end if number == len(groups) - 1 else begin
                yield partial(self._do, chunk, windows, [targets[position] for position in positions.tolist()], done)
            if not groups:
                yield partial(_nothing_to_do, end)

    def _do(
        self,
        chunk: int,
        windows: NDArray[np.int64],
        targets: list[NDArray[np.int16]],
        done: int,
        fetched: FetchedChunks,
    ) -> int:
        self.stored.cut(chunk, windows, targets, fetched)
        return done

    def _targets(self, begin: int, end: int) -> list[NDArray[np.int16]]:
        """Where the windows of the order from `begin` to `end` go, each an array (lead, sample)."""
        size, n_windows = self.batch_size, len(self.order.windows)
        targets = []
        for number in range(begin // size, (end - 1) // size + 1):
            first, last = number * size, min((number + 1) * size, n_windows)
            if first >= begin:
                batch = self.memory.take(last - first)
                for empty in np.flatnonzero(self.order.windows[first:last] < 0).tolist():
                    batch[empty] = 0
                self.batches[number] = batch
            array = self.batches[number].numpy()
            targets += [array[position - first] for position in range(max(first, begin), min(last, end))]
        return targets


def _nothing_to_do(done: int, fetched: FetchedChunks) -> int:
    return done


def with_chunks(
    jobs: Iterable[Callable[[FetchedChunks], T]], wanted: Iterable[tuple[int, ...]], stored: StoredWindows
) -> Generator[Callable[[], T], None, None]:
    """Jobs with the chunks that they need; those of a remote store are asked for well before their turn.

    To be closed: whoever holds an error's traceback would hold the fetching threads, too.
    """
    if not stored.reader.is_remote:
        yield from (partial(job, NOTHING) for job in jobs)
        return
    with closing(chunks_ahead(wanted, stored.reader.fetch, connections=stored.connections)) as ahead:
        for job, fetched in zip(jobs, ahead, strict=True):
            yield partial(job, fetched)


def load_windows(stored: StoredWindows, *, threads: int) -> Tensor:
    """All windows in memory, int16 (window, lead, sample), each chunk decoded once."""
    resident = np.empty((len(stored.plan), *stored.shape), np.int16)
    groups = [(chunk, windows) for chunk, windows, _ in by_chunk(stored, np.arange(len(resident)))]
    jobs = (
        partial(stored.cut, chunk, windows, [resident[window] for window in windows.tolist()])
        for chunk, windows in groups
    )
    wanted = (stored.chunks_for(chunk, windows) for chunk, windows in groups)
    with (
        closing(with_chunks(jobs, wanted, stored)) as ready,
        closing(prefetch(ready, threads=threads, ahead=4 * threads)) as finished,
    ):
        for _ in finished:
            pass
    return torch.from_numpy(resident)


def gather_batches(
    resident: Tensor, batches: Iterable[NDArray[np.int64]], memory: WindowMemory, *, threads: int
) -> Generator[Tensor, None, None]:
    """The signals of batches (positions in `resident`; -1 is no window), gathered by threads a few ahead."""
    jobs = (partial(_gather, resident.numpy(), windows, memory) for windows in batches)
    return prefetch(jobs, threads=threads, ahead=2 * threads)


def _gather(resident: NDArray[np.int16], windows: NDArray[np.int64], memory: WindowMemory) -> Tensor:
    batch = memory.take(len(windows))
    np.take(resident, windows, axis=0, out=batch.numpy(), mode="clip")  # "raise" would copy once more
    for empty in np.flatnonzero(windows < 0).tolist():  # one by one: a mask would pass over the whole batch
        batch[empty] = 0
    return batch


def load_device(stored: StoredWindows, memory: WindowMemory, device: torch.device, *, threads: int) -> Tensor:
    """All windows in the device's memory, int16 (window, lead, sample), with no more than two buffers in RAM."""
    everything = np.arange(len(stored.plan))
    size = memory.shape[0]
    order = order_streamed(
        everything,
        stored.chunk,
        stored.plan.record,
        seed=None,
        epoch=0,
        buffer_windows=max(stored.reader.shape[1] // stored.shape[1], size),
        windows_of_a_record=len(everything),
    )
    resident = torch.empty((len(everything), *stored.shape), dtype=torch.int16, device=device)
    batches = stream_batches(stored, order, memory, batch_size=size, first_batch=0, threads=threads)
    for number, signal in enumerate(batches):
        windows = torch.from_numpy(order.windows[number * size : number * size + len(signal)]).to(device)
        resident.index_copy_(0, windows, signal.to(device, non_blocking=True))
    return resident


def take_windows(resident: Tensor, windows: NDArray[np.int64]) -> Tensor:
    """The signals of a batch (positions in `resident`; -1 is no window), on the device they are on."""
    batch = torch.index_select(resident, 0, torch.from_numpy(windows.clip(min=0)).to(resident.device))
    for empty in np.flatnonzero(windows < 0).tolist():
        batch[empty] = 0
    return batch
