"""Windows by their numbers, in any order: from memory where all of them fit, else from the chunks decoded last.

A window alone costs the decoding of its whole chunk: of its twenty-four blocks the twelve leads of a window lie in
twelve at least, so that decoding those alone would save half at most. What helps is asking for windows of the same
chunks together, as `interleaved_batches` does.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ecg12.cache.chunk_reader import ChunkReader
from ecg12.cache.reader import Store
from ecg12.ecg.errors import ConfigError
from ecg12.ecg.signals.window import WindowConfig, cut_window, plan_windows
from ecg12.pipeline.loading.chunk_cache import ChunkCache
from ecg12.pipeline.loading.epoch_order import order_streamed
from ecg12.pipeline.loading.residency import choose_residency
from ecg12.pipeline.loading.stored_windows import StoredWindows, by_chunk, load_windows
from ecg12.pipeline.loading.window_batches import BUFFER_CHUNKS, MAX_THREADS, WINDOWS_OF_A_RECORD
from ecg12.pipeline.runtime.machine import available_cores

KEEPS = ("auto", "memory", "chunks")


class RandomWindows:
    """Gives windows of some of a store's records by their numbers.

    Parameters
    ----------
    rows : the records, rows of the store
    windows : how they are cut
    keep : "memory" decodes everything once, when the first window is asked for; "chunks" keeps `cache_chunks` decoded
        chunks; "auto" takes memory where all windows fit into half of what is free
    check : hold each chunk against its checksums when it is first decoded

    Attributes
    ----------
    keep : the one chosen, never "auto"
    resident : int16 tensor (window, lead, sample), µV, once everything is decoded
    """

    def __init__(
        self,
        store: Store,
        rows: NDArray[np.int64],
        windows: WindowConfig,
        *,
        keep: str = "auto",
        cache_chunks: int = 2 * BUFFER_CHUNKS,
        check: bool = True,
    ) -> None:
        if keep not in KEEPS:
            raise ConfigError(f"keep is {keep!r}; expected {', '.join(KEEPS)}")
        if cache_chunks < 1:
            raise ConfigError(f"cache_chunks is {cache_chunks}; expected at least 1")
        reader = ChunkReader(store, check=check)
        self.plan = plan_windows(store.lengths[rows], windows)
        self.rows = rows
        self.stored = StoredWindows.of(reader, rows, self.plan)
        if keep == "auto":
            fits = choose_residency("auto", self.stored.n_bytes, torch.device("cpu")) == "memory"
            keep = "memory" if fits else "chunks"
        self.keep = keep
        self.resident: Tensor | None = None
        self.chunks = ChunkCache(reader, cache_chunks)

    def __len__(self) -> int:
        return len(self.plan)

    def load(self) -> None:
        """Decode everything, if that is what is kept and it is not there yet."""
        if self.keep == "memory" and self.resident is None:
            self.resident = load_windows(self.stored, threads=min(available_cores(), MAX_THREADS))

    def take(self, windows: NDArray[np.int64]) -> NDArray[np.int16]:
        """The signals of windows, int16 (window, lead, sample), µV.

        Raises
        ------
        ChecksumError
            If a chunk is missing or damaged.
        """
        self.load()
        out = np.empty((len(windows), *self.stored.shape), np.int16)
        if self.resident is not None:
            np.take(self.resident.numpy(), windows, axis=0, out=out, mode="clip")  # "raise" would copy once more
            return out
        for chunk, here, positions in by_chunk(self.stored, windows):
            self._cut(chunk, here, [out[position] for position in positions.tolist()])
        return out

    def _cut(self, chunk: int, windows: NDArray[np.int64], out: Sequence[NDArray[np.int16]]) -> None:
        block, width = self.chunks.chunk(chunk), self.stored.reader.shape[1]
        for target, window in zip(out, windows.tolist(), strict=True):
            column, valid, pad = (int(v[window]) for v in (self.stored.column, self.plan.valid, self.plan.pad))
            inside = column + valid <= (chunk + 1) * width
            signal = block if inside else self.chunks.columns(column, column + valid)
            cut_window(signal, column - chunk * width if inside else 0, valid, pad, target)


def interleaved_batches(
    windows: RandomWindows,
    *,
    batch_size: int,
    seed: int,
    epoch: int,
    n_workers: int,
    rank: int = 0,
    world_size: int = 1,
) -> Iterator[list[int]]:
    """Batches of window numbers that come from a few chunks at a time, in random order.

    The order is that of a streamed epoch. Each of the workers, which take a batch each in turn, gets a stretch of it,
    so that it decodes its own chunks. A repeat that only makes ranks equally long is left out.

    Parameters
    ----------
    n_workers : of the loader; 0 and 1 are the same
    """
    everything = np.arange(len(windows))
    chunk_windows = max(windows.stored.reader.shape[1] // windows.stored.shape[1], 1)
    order = order_streamed(
        everything,
        windows.stored.chunk,
        windows.plan.record,
        seed=seed,
        epoch=epoch,
        buffer_windows=BUFFER_CHUNKS * chunk_windows,
        windows_of_a_record=WINDOWS_OF_A_RECORD,
        rank=rank,
        world_size=world_size,
    )
    mine = order.windows[order.counted]
    n_batches = -(-len(mine) // batch_size)
    each, longer = divmod(n_batches, max(n_workers, 1))
    firsts = [part * each + min(part, longer) for part in range(max(n_workers, 1))]
    for number in range(n_batches):
        turn, part = divmod(number, max(n_workers, 1))
        first = (firsts[part] + turn) * batch_size
        yield mine[first : first + batch_size].tolist()
