"""What both datasets of windows share: which windows of which store, and what an item of them looks like."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor

from ecg12.cache.reader import Store as HeldStore
from ecg12.cache.several_stores import open_stores
from ecg12.cache.storage.drivers import forget_drivers
from ecg12.cache.storage.location import RemotePath
from ecg12.cache.verify import require_tables
from ecg12.ecg.errors import ConfigError
from ecg12.ecg.labels.class_choice import choose_columns
from ecg12.ecg.signals.window import WindowConfig
from ecg12.pipeline.compute.ranks import find_ranks
from ecg12.pipeline.loading.chosen_rows import choose_rows
from ecg12.places import Paths, to_places
from ecg12.stores import Store

DTYPES = (torch.float32, torch.int16)

Records = Sequence[int] | Sequence[str] | NDArray | None
Labels = str | Sequence[str] | NDArray | None
Item = dict[str, Tensor]


class WindowItems:
    """Windows of a store's records, and items made of them; travels to other processes without what it has open.

    Parameters
    ----------
    store, records, window_length, labels, dtype, transform : see `Windows`

    Attributes
    ----------
    rows : of the store, int64
    windows : how records are cut
    classes : codes of the labels' columns; empty for none, and for labels that were given as an array
    """

    def __init__(
        self,
        store: Store | Paths,
        records: Records,
        window_length: int,
        labels: Labels,
        dtype: torch.dtype,
        transform: Callable[[Any], Any] | None,
    ) -> None:
        if dtype not in DTYPES:
            raise ConfigError(f"dtype is {dtype}; expected {' or '.join(map(str, DTYPES))}")
        self.places = to_places(store.paths if isinstance(store, Store) else store)
        self._opened: tuple[int, HeldStore] | None = None
        if isinstance(store, Store):
            self._opened = os.getpid(), store._held
        self.windows = WindowConfig(window_length=window_length)
        self.rows = choose_rows(self.held, records)
        self.dtype, self.transform = dtype, transform
        self.classes: tuple[str, ...] = ()
        self.labels = self._choose_labels(labels)

    @property
    def held(self) -> HeldStore:
        """The store; a remote one is opened anew after a fork, which its drivers do not outlive."""
        remote = any(isinstance(place, RemotePath) for place in self.places)
        if self._opened is None or (remote and self._opened[0] != os.getpid()):
            if remote:
                forget_drivers()
            held = open_stores(self.places)
            require_tables(held)
            self._opened = os.getpid(), held
        return self._opened[1]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_opened": None}

    def _choose_labels(self, labels: Labels) -> NDArray[np.float32] | None:
        """Float32 array, shape (row of the store, class); None for none."""
        if labels is None:
            return None
        if isinstance(labels, np.ndarray) and labels.dtype.kind in "biuf":
            if labels.ndim != 2 or len(labels) != self.held.n_records:
                raise ConfigError(
                    f"labels have shape {labels.shape}; expected ({self.held.n_records}, classes), a row for each "
                    "record of the store"
                )
            return labels.astype(np.float32)
        column = self.held.column
        names = labels if isinstance(labels, str) else list(labels)
        self.classes, chosen = choose_columns(names, column("label/code").tolist(), column("label/matrix"))
        return chosen.astype(np.float32)

    def make(self, signal: Tensor, columns: dict[str, Tensor]) -> Item:
        """An item of signals, int16 µV, and what is known of them: with labels, and in the dtype asked for."""
        item = {"signal": signal if self.dtype == torch.int16 else _to_mv(signal)} | columns
        if self.labels is not None:
            item["label"] = torch.from_numpy(self.labels[columns["record"].numpy()])
        return item

    def finish(self, item: Item) -> Any:  # noqa: ANN401 - whatever the transform makes
        """The item as it is given away."""
        return item if self.transform is None else self.transform(item)


def _to_mv(signal_uv: Tensor) -> Tensor:
    """Millivolts as float32, by numpy: torch's threads wait for each other, twenty times as long on a busy machine."""
    signal = signal_uv.numpy().astype(np.float32)
    signal /= np.float32(1000)
    return torch.from_numpy(signal)


def find_rank(rank: int | None, world_size: int | None) -> tuple[int, int]:
    """What was told, else what torch.distributed says, else torchrun; alone without any of them."""
    if (rank is None) != (world_size is None):
        raise ConfigError(f"rank is {rank} and world_size {world_size}; expected both, or neither")
    if rank is not None and world_size is not None:
        if not 0 <= rank < world_size:
            raise ConfigError(f"rank is {rank} of {world_size}; expected 0 to {world_size - 1}")
        return rank, world_size
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    ranks = find_ranks()
    return ranks.rank, ranks.world_size
