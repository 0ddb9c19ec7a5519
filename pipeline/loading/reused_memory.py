"""Memory for batches that is used again once nobody looks at a batch any more.

Fresh memory costs the time to hand it over page by page, about as much as filling it.
"""

import math
import weakref

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
