"""Windows of a store as a dataset of torch that has them by their numbers."""

from collections.abc import Callable, Iterator, Sequence
from multiprocessing.context import get_spawning_popen
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from ecg12.ecg.errors import ConfigError
from ecg12.pipeline.loading.random_access import RandomWindows, interleaved_batches
from ecg12.pipeline.loading.window_batches import BUFFER_CHUNKS
from ecg12.places import Paths
from ecg12.stores import Store
from ecg12.window_items import Item, Labels, Records, WindowItems, find_rank


class IndexedWindows(Dataset[Any]):
    """The same windows by their numbers, for whoever wants a sampler of their own, or `DataLoader(…, shuffle=True)`.

    An item is that of `Windows` without `batch_size`. Where all windows fit into half of the free memory as int16, they
    are decoded once, when this is made; worker processes share them. Else the chunks that were decoded last are kept,
    and an order that asks for windows of the same chunks together is needed: `batch_sampler` has one.

    Parameters
    ----------
    store, records, window_length, labels, dtype, transform, check : as of `Windows`; `transform` gets one window's item
    keep : "memory", "chunks", or "auto" for memory where it fits
    cache_chunks : decoded chunks that each process keeps, of 6 MB, where not all is in memory

    Attributes
    ----------
    classes : SNOMED CT codes of the labels' columns
    keep : the one chosen

    Raises
    ------
    ConfigError
        If an option makes no sense.
    StoreError, ChecksumError
        If the store cannot be read, has no such record, or a chunk is damaged.
    """

    def __init__(
        self,
        store: Store | Paths,
        *,
        records: Records = None,
        window_length: int = 4096,
        labels: Labels = None,
        dtype: torch.dtype = torch.float32,
        transform: Callable[[Any], Any] | None = None,
        keep: str = "auto",
        cache_chunks: int = 2 * BUFFER_CHUNKS,
        check: bool = True,
    ) -> None:
        self._items = WindowItems(store, records, window_length, labels, dtype, transform)
        self._options: dict[str, Any] = {"keep": keep, "cache_chunks": cache_chunks, "check": check}
        self._made: RandomWindows | None = None
        self._resident: torch.Tensor | None = None
        self.keep = self._options["keep"] = self._random.keep
        self._random.load()  # before any worker is forked, so that all share it
        self._resident = self._random.resident

    @property
    def classes(self) -> tuple[str, ...]:
        """SNOMED CT codes of the labels' columns; empty without labels, and where they were given as an array."""
        return self._items.classes

    def __len__(self) -> int:
        return len(self._random)

    def __getitem__(self, index: int) -> Any:  # noqa: ANN401 - whatever the transform makes
        """The item of one window; raises IndexError if there is none of this number."""
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """The items of several windows, which a `DataLoader` asks for together."""
        n = len(self)
        windows = np.asarray(indices, np.int64)
        if len(windows) and not (-n <= windows.min() and windows.max() < n):
            raise IndexError(f"window {indices}; expected 0 to {n - 1}")
        windows = windows % n if n else windows
        items = self._items
        many = items.make(torch.from_numpy(self._random.take(windows)), self._columns(windows))
        return [items.finish({name: values[place] for name, values in many.items()}) for place in range(len(windows))]

    def batch_sampler(
        self,
        batch_size: int,
        *,
        seed: int = 0,
        n_workers: int = 0,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> "ChunkedBatchSampler":
        """Batches that come from a few chunks at a time, shuffled as `Windows` shuffles: for stores beyond memory.

        Parameters
        ----------
        seed : of the order
        n_workers : the `num_workers` of the `DataLoader`, so that each worker decodes its own chunks
        rank, world_size : as of `Windows`

        Raises
        ------
        ConfigError
            If one is out of range.
        """
        return ChunkedBatchSampler(self._random, batch_size, seed, n_workers, find_rank(rank, world_size))

    def _columns(self, windows: "np.ndarray[Any, np.dtype[np.int64]]") -> Item:
        plan, made = self._random.plan, self._random
        record = made.rows[plan.record[windows]]
        columns = {
            "record": record,
            "number": plan.number[windows],
            "valid": plan.valid[windows],
            "pad": plan.pad[windows],
            "scale": self._items.held.column("record/scale")[record],
        }
        return {name: torch.from_numpy(values) for name, values in columns.items()}

    @property
    def _random(self) -> RandomWindows:
        if self._made is None or self._made.stored.reader.store is not self._items.held:
            self._made = RandomWindows(self._items.held, self._items.rows, self._items.windows, **self._options)
            self._made.resident = self._resident
        return self._made

    def __getstate__(self) -> dict[str, Any]:
        # to a process that is being started torch gives a tensor as shared memory; into a pickle it would be copied
        kept = self._resident if get_spawning_popen() is not None else None
        return self.__dict__ | {"_made": None, "_resident": kept}


class ChunkedBatchSampler(Sampler[list[int]]):
    """Batches of an `IndexedWindows`' numbers, see its `batch_sampler`; `set_epoch` chooses the order."""

    def __init__(
        self, windows: RandomWindows, batch_size: int, seed: int, n_workers: int, ranks: tuple[int, int]
    ) -> None:
        if batch_size < 1 or n_workers < 0:
            raise ConfigError(f"batch_size is {batch_size}, n_workers {n_workers}; expected at least 1, and 0 or more")
        if not 0 <= seed < 2**63:
            raise ConfigError(f"seed is {seed}; expected 0 or more")
        self._windows, self.batch_size, self._seed, self._n_workers = windows, batch_size, seed, n_workers
        self._rank, self._world_size = ranks
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next iteration."""
        self.epoch = epoch

    def __len__(self) -> int:
        n = len(self._windows)
        mine = n // self._world_size + (self._rank < n % self._world_size)
        return -(-mine // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        return interleaved_batches(
            self._windows,
            batch_size=self.batch_size,
            seed=self._seed,
            epoch=self.epoch,
            n_workers=self._n_workers,
            rank=self._rank,
            world_size=self._world_size,
        )
