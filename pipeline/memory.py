"""Memory for batches that is used again once nobody looks at a batch any more, and how much there is.

Fresh memory costs the time to hand it over page by page, about as much as filling it.
"""

import math
import os
import weakref
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_LARGE_BYTES = 2**23


class WindowMemory:
    """Gives out int16 tensors (window, lead, sample), with whatever they held before.

    Parameters
    ----------
    n_windows : the most windows asked for at a time
    shape : (lead, sample)
    pinned : in pages that a GPU copies from by itself; torch then keeps track of their use
    """

    def __init__(self, n_windows: int, shape: tuple[int, int], *, pinned: bool) -> None:
        self.shape = (n_windows, *shape)
        self.pinned = pinned
        # numpy asks for large pages from 4 MB on, which are quicker to fill
        self._at_once = -(-_LARGE_BYTES // (2 * math.prod(self.shape)))
        self._free: list[NDArray[np.int16]] = []

    def take(self, n_windows: int) -> Tensor:
        """A tensor of `n_windows`; its memory comes back by itself when the last tensor that shares it is gone."""
        if self.pinned:
            return torch.empty((n_windows, *self.shape[1:]), dtype=torch.int16, pin_memory=True)
        try:
            kept = self._free.pop()
        except IndexError:
            kept, *others = np.empty((self._at_once, *self.shape), np.int16)
            self._free += others
        # Torch holds the very array that it was given for as long as any tensor shares its memory, so the end of
        # `lent` is the end of all use. (A numpy slice would not do: it holds `kept` and not `lent`.)
        lent = kept.view()
        weakref.finalize(lent, self._free.append, kept).atexit = False
        return torch.from_numpy(lent)[:n_windows]


def available_bytes(meminfo: Path = Path("/proc/meminfo"), group: Path = Path("/sys/fs/cgroup")) -> int:
    """Memory that this process may still take: what the system has free, or its control group if that is less.

    0 where the system's cannot be told. The arguments are where Linux tells both.
    """
    free = field_bytes(meminfo, "MemAvailable:") or 0
    limit, used = _number(group / "memory.max"), _number(group / "memory.current")
    if limit is not None and used is not None:
        # pages of files are counted as used, but go when they are needed
        reclaimable = field_bytes(group / "memory.stat", "inactive_file") or 0
        free = min(free, max(limit - used + reclaimable, 0))
    return free


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # no such file, or "max"
        return None


def field_bytes(path: Path, name: str) -> int | None:
    """The number after `name` in a table of the kernel's, in bytes; None if there is none."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        words = line.split()
        if words and words[0] == name:
            return int(words[1]) * (1024 if words[-1] == "kB" else 1)
    return None


def available_threads() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
