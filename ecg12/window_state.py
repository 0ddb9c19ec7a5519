"""Where an iteration over windows is, told to worker processes and by them.

A `DataLoader` hands its dataset to workers once, and persistent ones never see it again; so the epoch, and where to
begin in it, lie in memory that all of them share.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch.utils.data import get_worker_info

from ecg12.ecg.errors import ConfigError

MOST_WORKERS = 1024

_EPOCH, _ITEMS, _PARTS, _STATE, _AT_WORK, _BEGUN = range(6)
"""Places in the shared memory: the epoch; items given when the loaded state was taken, the workers that gave them, and
the number of that state; the workers that iterate now; and from here on, for each of them, the state it began from."""


class WindowState:
    """The epoch, and how much of it was given.

    Attributes
    ----------
    given : items of this epoch, or of this worker's part of it, that were given so far
    """

    def __init__(self) -> None:
        self._shared = torch.zeros(_BEGUN + MOST_WORKERS, dtype=torch.int64).share_memory_()
        self.given = 0
        self._part = 0
        self._of_worker: tuple[int, int] | None = None

    @property
    def epoch(self) -> int:
        """The present one."""
        return int(self._shared[_EPOCH])

    def set_epoch(self, epoch: int) -> None:
        """Begin an epoch, unless it is the present one."""
        if epoch < 0:
            raise ConfigError(f"epoch is {epoch}; expected 0 or more")
        if epoch != self.epoch:
            self._shared[_EPOCH] = epoch
            self._shared[_ITEMS] = 0
            self.given = 0

    def begin(self, worker: int, n_workers: int) -> tuple[int, int]:
        """Begin an iteration; which part this worker reads, and how many of its items are given already.

        A loader asks its first worker first; so where an iteration is gone on with, that one gets the part whose turn
        it is, and items come in the order in which they would have come.

        Parameters
        ----------
        worker, n_workers : which of how many workers this is; 0 of 0 where there are none

        Raises
        ------
        ConfigError
            If the loaded state is of another number of workers, or there are too many.
        """
        if n_workers > MOST_WORKERS:
            raise ConfigError(f"{n_workers} workers; expected at most {MOST_WORKERS}")
        self._shared[_AT_WORK] = n_workers
        self._part, self.given = worker, 0
        if self._of_worker is not None:
            (self._part, self.given), self._of_worker = self._of_worker, None
        elif self._shared[_BEGUN + worker] != self._shared[_STATE]:
            self._shared[_BEGUN + worker] = self._shared[_STATE]
            self._part, self.given = self._share_of(worker, max(n_workers, 1))
        return self._part, self.given

    def _share_of(self, worker: int, n_parts: int) -> tuple[int, int]:
        items, there = int(self._shared[_ITEMS]), max(int(self._shared[_PARTS]), 1)
        if items and there != n_parts:
            raise ConfigError(
                f"the state is of {there} processes that read, here are {n_parts}; make num_workers the same to go on"
            )
        part = (worker + items) % n_parts
        return part, (items - part + n_parts - 1) // n_parts  # they give an item each in turn

    def to_dict(self, batches: int | None, identity: Mapping[str, Any]) -> dict[str, Any]:
        """As plain values; see `Windows.state_dict`."""
        state: dict[str, Any] = {"epoch": self.epoch, "windows": dict(identity)}
        info = get_worker_info()
        if info is not None:
            return state | {"items": self.given, "part": self._part, "worker": info.id, "workers": info.num_workers}
        at_work = int(self._shared[_AT_WORK])
        if at_work and identity["one_by_one"]:
            raise ConfigError(
                "where an epoch is cannot be told of windows that workers give one by one; make batches in Windows: "
                "batch_size=32, and DataLoader(windows, batch_size=None)"
            )
        if at_work and batches is None:
            raise ConfigError(
                f"{at_work} workers are ahead of what was taken of them; tell state_dict how many batches of this "
                "epoch were taken: batches=…"
            )
        return state | {"items": self.given if batches is None else batches, "workers": at_work}

    def load(self, state: Mapping[str, Any], identity: Mapping[str, Any]) -> None:
        """Begin the next iteration where the state was taken; see `Windows.load_state_dict`."""
        try:
            epoch, items, workers = int(state["epoch"]), int(state["items"]), int(state["workers"])
            there = dict(state["windows"])
            worker, part = state.get("worker"), int(state.get("part", 0))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConfigError(
                f"not the state of Windows ({type(error).__name__}: {error}); expected what its state_dict gave"
            ) from error
        names = [name for name in {**identity, **there} if identity.get(name) != there.get(name)]
        if names:
            differences = "; ".join(f"{name} {there.get(name)} there, {identity.get(name)} here" for name in names)
            raise ConfigError(f"the state is of other windows ({differences}); make them the same to go on")
        if min(epoch, items, workers) < 0:
            raise ConfigError(f"the state says epoch {epoch}, {items} items of {workers} workers; expected 0 or more")
        self._shared[_EPOCH] = epoch
        info = get_worker_info()
        if worker is not None:
            if info is None or (info.id, info.num_workers) != (worker, workers):
                raise ConfigError(f"the state is of worker {worker} of {workers}; expected that of a whole iteration")
            self._of_worker = part, items
            return
        self._shared[_ITEMS], self._shared[_PARTS] = items, workers
        self._shared[_STATE] += 1
        self.given = items
