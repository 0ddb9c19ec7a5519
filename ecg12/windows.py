"""Windows of a store as a dataset of torch that streams them, at the speed of the loader."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch.utils.data import IterableDataset, get_worker_info

from ecg12.ecg.errors import ConfigError
from ecg12.pipeline.loading.batch import Batch
from ecg12.pipeline.loading.part_batches import PartBatches
from ecg12.pipeline.loading.window_batches import BUFFER_CHUNKS, MAX_THREADS
from ecg12.pipeline.runtime.machine import available_cores
from ecg12.places import Paths
from ecg12.stores import Store
from ecg12.window_items import Item, Labels, Records, WindowItems, find_rank
from ecg12.window_state import WindowState

ITEMS_AT_ONCE = 32
"""Windows that are made together where they are given one by one."""

COLUMNS = ("record", "number", "valid", "pad", "scale")


class Windows(IterableDataset[Any]):
    """The windows of a store's records, in a new random order each epoch, at the speed of the store's own loader.

    Give it to a `torch.utils.data.DataLoader`, or iterate over it. An item is a dict of tensors: `signal` (lead,
    sample), `label` (class) if there are any, `record` (row of the store), `number` (of the window in its record),
    `valid` and `pad` (recorded samples, and zeros in front of them), `scale` (the record's amplitude, µV); with
    `batch_size` all of them have the windows of a batch as their first axis.

    Each chunk is decoded once an epoch, and shuffled among eight of them; since a store lays records out by a hash of
    their names, that mixes nearly as well as shuffling everything. Worker processes of a `DataLoader` share an epoch
    without a window twice or lost; so do ranks.

    Parameters
    ----------
    store : the store, or its path; several are read as one
    records : rows or names of the records to take, or a bool for each; None takes all
    window_length : samples in a window; records are cut as `train` cuts them
    batch_size : windows in an item; None gives them one by one. `DataLoader(windows, batch_size=None)` with batches
        made here is quickest
    shuffle : False keeps the store's own order
    seed : of the order
    max_windows_per_record : random ones of a longer record, others each epoch; None takes all
    labels : "scored", "all" or a list of classes, as of `Store.labels`; or an array with a row for each record of the
        store; None for none. A record that is not annotated has zeros: leave it out by `records`
    dtype : of `signal`: torch.float32 is mV, torch.int16 is µV as stored
    transform : called with each item, whose outcome is given instead; in the worker, if there are any
    rank, world_size : which share of each epoch; None asks torch.distributed, or torchrun, when this is made
    even_ranks : let ranks have equally many windows: one may come again then, and `counted` of an item is False for it
    buffer_chunks : to shuffle among
    check : hold each chunk against its checksums when it is first decoded

    Attributes
    ----------
    classes : SNOMED CT codes of the labels' columns
    epoch : whose order the next iteration has
    n_windows : in an epoch, of this rank

    Raises
    ------
    ConfigError
        If an option makes no sense; while iterating, if there are fewer windows than ranks.
    StoreError
        If the store cannot be read, or has no such record.
    ChecksumError
        While iterating, if a chunk is missing or damaged.
    """

    def __init__(
        self,
        store: Store | Paths,
        *,
        records: Records = None,
        window_length: int = 4096,
        batch_size: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        max_windows_per_record: int | None = None,
        labels: Labels = None,
        dtype: torch.dtype = torch.float32,
        transform: Callable[[Any], Any] | None = None,
        rank: int | None = None,
        world_size: int | None = None,
        even_ranks: bool = False,
        buffer_chunks: int = BUFFER_CHUNKS,
        check: bool = True,
    ) -> None:
        if not 0 <= seed < 2**63:
            raise ConfigError(f"seed is {seed}; expected 0 or more")
        self._items = WindowItems(store, records, window_length, labels, dtype, transform)
        self._rank, self._world_size = find_rank(rank, world_size)
        self.batch_size = batch_size
        self._options: dict[str, Any] = {
            "seed": seed if shuffle else None,
            "max_windows_per_record": max_windows_per_record,
            "buffer_chunks": buffer_chunks,
            "check": check,
        }
        self._even = even_ranks
        self._state = WindowState()
        self._made: PartBatches | None = None
        _ = self._batches  # what is out of range is said here

    @property
    def classes(self) -> tuple[str, ...]:
        """SNOMED CT codes of the labels' columns; empty without labels, and where they were given as an array."""
        return self._items.classes

    @property
    def epoch(self) -> int:
        """Whose order the next iteration has."""
        return self._state.epoch

    @property
    def n_windows(self) -> int:
        """Windows in an epoch, of this rank."""
        return self._batches.n_windows

    def __len__(self) -> int:
        """Items in an epoch, of this rank, whatever the number of workers."""
        return self.n_windows if self.batch_size is None else self._batches.n_batches

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next iteration, which starts at its beginning unless a state that was loaded says
        that this epoch was begun. Without it every epoch has the same order.
        """
        self._state.set_epoch(epoch)

    def state_dict(self, batches: int | None = None) -> dict[str, Any]:
        """Where the present iteration is, and what it depends on: plain values.

        Parameters
        ----------
        batches : how many of this epoch were taken from a `DataLoader` with workers, those before a state that was
            loaded among them: workers are ahead of it, and cannot tell. Without workers it is known here

        Raises
        ------
        ConfigError
            If workers are at it and `batches` is not told, or windows are given one by one.
        """
        return self._state.to_dict(batches, self._identity())

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Let the next iteration give what was left when the state was taken; the number of workers must be the same.

        Raises
        ------
        ConfigError
            If the state is of other windows, or of another order of them, naming every difference.
        """
        self._state.load(state, self._identity())

    def _identity(self) -> dict[str, Any]:
        return self._batches.identity() | {"one_by_one": self.batch_size is None}

    def __iter__(self) -> Iterator[Any]:
        info = get_worker_info()
        worker, n_parts = (0, 1) if info is None else (info.id, info.num_workers)
        part, first = self._state.begin(worker, 0 if info is None else n_parts)
        batches = self._batches
        batches.threads = max(min(available_cores(), MAX_THREADS) // n_parts, 1)
        batches.set_epoch(self._state.epoch)
        batches.take_part(part, n_parts)
        at_once = 1 if self.batch_size is not None else ITEMS_AT_ONCE
        batches.start_at(first // at_once)
        for item in self._pieces(batches, first % at_once):
            self._state.given += 1
            yield item

    def _pieces(self, batches: PartBatches, skipped: int) -> Iterator[Any]:
        items = self._items
        for batch in batches:
            item = items.make(batch.signal, _columns_of(batch, even=self._even))
            if self.batch_size is not None:
                yield items.finish(item)
                continue
            for number in range(skipped, len(batch)):
                yield items.finish({name: values[number] for name, values in item.items()})
            skipped = 0

    @property
    def _batches(self) -> PartBatches:
        """The loader, of the store that this process has open."""
        if self._made is None or self._made.store is not self._items.held:
            size = ITEMS_AT_ONCE if self.batch_size is None else self.batch_size
            self._made = PartBatches(
                self._items.held,
                self._items.rows,
                self._items.windows,
                batch_size=size,
                rank=self._rank,
                world_size=self._world_size,
                **self._options,
            )
            self._made.even = self._even
        return self._made

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_made": None}


def _columns_of(batch: Batch, *, even: bool) -> Item:
    columns = {name: getattr(batch, name) for name in COLUMNS}
    return columns | {"counted": batch.counted} if even else columns
