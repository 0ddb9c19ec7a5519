"""Batches of windows from a store: the one interface, wherever the windows are while an epoch lasts.

Residency `stream` holds a few chunks at a time as a shuffle buffer. Because the store places records by hash, every
chunk is a fair sample of the corpus, and shuffling among a few chunks is nearly as good as shuffling everything,
while each chunk is decoded once an epoch. `memory` decodes everything once and shuffles truly; `device` does the same
in the GPU's memory.
"""

import hashlib
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ecg12.cache.chunk_reader import ChunkReader
from ecg12.cache.reader import Store
from ecg12.ecg.errors import ConfigError
from ecg12.ecg.patient_features import make_patient_features
from ecg12.ecg.signals.window import WindowConfig, plan_windows
from ecg12.pipeline.loading.batch import Batch
from ecg12.pipeline.loading.epoch_order import ORDER_VERSION, EpochOrder, choose_windows, order_resident, order_streamed
from ecg12.pipeline.loading.residency import choose_residency
from ecg12.pipeline.loading.reused_memory import WindowMemory
from ecg12.pipeline.loading.stored_windows import (
    StoredWindows,
    gather_batches,
    load_device,
    load_windows,
    stream_batches,
    take_windows,
)
from ecg12.pipeline.runtime.machine import available_cores

BUFFER_CHUNKS = 8
"""Chunks' worth of windows in a shuffle buffer; two buffers are held. See docs/benchmarks.md."""

WINDOWS_OF_A_RECORD = 16
"""Of one record that come into a shuffle buffer with one chunk: a long record's chunk comes several times instead."""

MAX_THREADS = 8
"""More would wait for memory."""

CPU = torch.device("cpu")

_NO_WINDOW = {"valid": 1, "pad": 0, "scale": 1.0, "record": -1, "number": -1, "patient": 0.0, "label": 0.0}
"""Where a batch has no window: what divides is 1, so that zeros stay zeros."""


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
    residency : "stream", "memory", "device", or "auto": see `pipeline.loading.residency`
    device : where batches go
    labels : float32 array, shape (row of the store, class), for the batches' `label`; None for none
    rank, world_size : which of how many equal shares of each epoch this one is
    buffer_chunks : of a streamed epoch, see `BUFFER_CHUNKS`
    threads : that decode or gather; None for as many as there are cores, up to `MAX_THREADS`
    check : hold each chunk against its crc32c and its SHA-256 when it is first decoded
    reader : gives the chunks; None makes one

    Attributes
    ----------
    residency : the one chosen, never "auto"
    with_samples : set it to False for batches whose `signal` has no samples, (window, 0): nothing is read then
    plan : the windows of `rows`, as `ecg.signals.window` plans them
    waited_s : seconds that the present or last iteration has spent waiting for data

    Raises
    ------
    ConfigError
        If an option is out of range; while iterating, if there are fewer windows than ranks.
    ChecksumError
        While iterating, if a chunk is missing or damaged, naming it.
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
        residency: str = "stream",
        device: torch.device = CPU,
        labels: NDArray[np.float32] | None = None,
        rank: int = 0,
        world_size: int = 1,
        buffer_chunks: int = BUFFER_CHUNKS,
        threads: int | None = None,
        check: bool = True,
        reader: ChunkReader | None = None,
    ) -> None:
        numbers = {"batch_size": batch_size, "max_windows_per_record": max_windows_per_record, "threads": threads}
        for name, value in (numbers | {"buffer_chunks": buffer_chunks}).items():
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}; expected at least 1")
        if not 0 <= rank < world_size:
            raise ConfigError(f"rank is {rank} of {world_size}; expected 0 to {world_size - 1}")
        self.store = store
        self.rows = np.asarray(rows, np.int64)
        self.windows = windows
        self.batch_size = batch_size
        self.seed = seed
        self.max_windows_per_record = max_windows_per_record
        self.rank, self.world_size = rank, world_size
        self.buffer_chunks = buffer_chunks
        self.device = device
        self.threads = threads or min(available_cores(), MAX_THREADS)
        self.plan = plan_windows(store.lengths[self.rows] if lengths is None else lengths, windows)
        self.stored = StoredWindows.of(reader or ChunkReader(store, check=check), self.rows, self.plan)
        self.residency = choose_residency(residency, self.stored.n_bytes, device)
        self.with_samples = True
        self.epoch = 0
        self.waited_s = 0.0
        self._labels = np.zeros((store.n_records, 0), np.float32) if labels is None else labels
        self._scales = store.column("record/scale")
        # of these records alone: prediction takes a few at a time, of a store that may have a million
        age, sex = (store.column(f"record/{name}")[self.rows] for name in ("age", "sex"))
        self._patients = make_patient_features(age, sex)
        self._memory = WindowMemory(batch_size, self.stored.shape, pinned=device.type == "cuda")
        self._resident: Tensor | None = None
        self._position = 0
        self._resume_at = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order (and the choice of long records' windows) of the next iteration.

        It starts at the epoch's beginning, unless a loaded state says that this epoch was begun.
        """
        if epoch != self.epoch:
            self._position = self._resume_at = 0
        self.epoch = epoch

    @property
    def n_windows(self) -> int:
        """Windows in an epoch, of this rank."""
        return -(-self.n_windows_of_all // self.world_size)

    @property
    def n_windows_of_all(self) -> int:
        """Windows in an epoch, of all ranks; each counts once."""
        if self.max_windows_per_record is None:
            return len(self.plan)
        counts = np.bincount(self.plan.record, minlength=len(self.rows))
        return int(np.minimum(counts, self.max_windows_per_record).sum())

    def windows_of_all(self, number: int) -> int:
        """Windows of batch `number` of the present epoch that count, on all ranks."""
        size = self.batch_size * self.world_size
        return min(size, self.n_windows_of_all - number * size)

    @property
    def buffer_windows(self) -> int:
        """Windows in a shuffle buffer."""
        return self.buffer_chunks * max(self.store.chunk_length // self.windows.window_length, 1)

    def __len__(self) -> int:
        """Batches in an epoch, of this rank."""
        return -(-self.n_windows // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        begun = time.perf_counter()
        first, self._resume_at = self._resume_at, 0
        self._position, self.waited_s = first, 0.0
        order = self._order()
        with closing(self._signals(order, first)) as signals:
            for number in range(first, len(self)):
                batch = self._batch(order, number, next(signals))
                self._position = number + 1
                self.waited_s += time.perf_counter() - begun
                yield batch
                begun = time.perf_counter()

    def state_dict(self) -> dict[str, Any]:
        """Where the present iteration is, and what it depends on: plain values.

        The state after the last batch of an epoch goes on with nothing; `set_epoch` begins the next.
        """
        return {"epoch": self.epoch, "batches": self._position, "loader": self._identity()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Let the next iteration give the batches that were left when the state was taken, on any rank.

        Raises
        ------
        ConfigError
            If the state is of a loader whose batches would be others, naming every difference.
        """
        here = self._identity()
        try:
            there, epoch, batches = dict(state["loader"]), int(state["epoch"]), int(state["batches"])
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                f"not the state of a loader ({type(error).__name__}: {error}); expected epoch, batches and loader"
            ) from error
        names = [name for name in here | there if here.get(name) != there.get(name)]
        if names:
            differences = "; ".join(f"{name} {there.get(name)} there, {here.get(name)} here" for name in names)
            raise ConfigError(f"the loader's state is of another loader ({differences}); make it the same to go on")
        if not 0 <= batches <= len(self):
            raise ConfigError(f"the loader's state is after {batches} batches; an epoch has {len(self)}")
        self.epoch = epoch
        self._position = self._resume_at = batches

    def _identity(self) -> dict[str, Any]:
        """All that the batches of an epoch follow from, but for the epoch and the rank."""
        selection = hashlib.sha256(np.stack([self.stored.column, self.plan.valid]).astype("<i8").tobytes())
        return {
            "store_digests": [self.store.attributes["digest"]],
            "selection": selection.hexdigest(),
            "window_length": self.windows.window_length,
            "min_piece": self.windows.min_piece,
            "max_windows_per_record": self.max_windows_per_record,
            "batch_size": self.batch_size,
            "world_size": self.world_size,
            "residency": self.residency,
            "buffer_chunks": self.buffer_chunks if self.residency == "stream" else None,
            "seed": self.seed,
            "order_version": ORDER_VERSION,
        }

    def _order(self) -> EpochOrder:
        """The present epoch's, of this rank."""
        selected = choose_windows(self.plan.record, self.max_windows_per_record, seed=self.seed or 0, epoch=self.epoch)
        if self.residency != "stream":
            return order_resident(
                selected, seed=self.seed, epoch=self.epoch, rank=self.rank, world_size=self.world_size
            )
        return order_streamed(
            selected,
            self.stored.chunk[selected],
            self.plan.record[selected],
            seed=self.seed,
            epoch=self.epoch,
            buffer_windows=self.buffer_windows,
            windows_of_a_record=WINDOWS_OF_A_RECORD,
            rank=self.rank,
            world_size=self.world_size,
        )

    def _signals(self, order: EpochOrder, first: int) -> Generator[Tensor, None, None]:
        if not self.with_samples:
            firsts = range(first * self.batch_size, len(order.windows), self.batch_size)
            lengths = (len(order.windows[start : start + self.batch_size]) for start in firsts)
            return (torch.empty((length, 0), dtype=torch.int16) for length in lengths)
        if self.residency == "stream":
            return stream_batches(
                self.stored, order, self._memory, batch_size=self.batch_size, first_batch=first, threads=self.threads
            )
        firsts = range(first * self.batch_size, len(order.windows), self.batch_size)
        batches = (order.windows[start : start + self.batch_size] for start in firsts)
        if self.residency == "memory":
            if self._resident is None:
                self._resident = load_windows(self.stored, threads=self.threads)
            return gather_batches(self._resident, batches, self._memory, threads=self.threads)
        if self._resident is None:
            self._resident = load_device(self.stored, self._memory, self.device, threads=self.threads)
        return (take_windows(self._resident, windows) for windows in batches)

    def _batch(self, order: EpochOrder, number: int, signal: Tensor) -> Batch:
        places = slice(number * self.batch_size, number * self.batch_size + len(signal))
        windows = order.windows[places]
        place = self.plan.record[windows]
        record = self.rows[place]
        columns = {
            "valid": self.plan.valid[windows],
            "pad": self.plan.pad[windows],
            "scale": self._scales[record],
            "record": record,
            "number": self.plan.number[windows],
            "patient": self._patients[place],
            "label": self._labels[record],
            "counted": order.counted[places],
            "reset": np.ones(len(windows), bool) if order.reset is None else order.reset[places],
        }
        empty = windows < 0
        if empty.any():
            for name, value in _NO_WINDOW.items():
                columns[name][empty] = value
        batch = Batch(signal=signal, **{name: torch.from_numpy(values) for name, values in columns.items()})
        return batch if self.device.type == "cpu" else batch.to(self.device)
