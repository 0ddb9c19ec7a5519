"""A stretch of a rank's batches: what one of several worker processes reads of them.

The batches of an epoch are the same whatever the number of workers. Each worker takes a stretch of them that is whole
batches, and so decodes its own chunks and hardly any of another's.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from ecg12.pipeline.loading.epoch_order import EpochOrder
from ecg12.pipeline.loading.window_batches import WindowBatches


class PartBatches(WindowBatches):
    """Iterates over one part of a rank's batches; `WindowBatches` says what it shares with it.

    Parts differ by at most a batch, the longer ones first, so that taking a batch of each in turn takes them all.
    Repeats that only make ranks equally long are left out unless `even`.
    """

    part, n_parts = 0, 1
    even = False

    def take_part(self, part: int, n_parts: int) -> None:
        """Iterate over part number `part` of `n_parts` from now on."""
        self.part, self.n_parts = part, n_parts

    @property
    def n_windows(self) -> int:
        """Windows in an epoch, of this rank."""
        n, world = self.n_windows_of_all, self.world_size
        return -(-n // world) if self.even else n // world + (self.rank < n % world)

    @property
    def n_batches(self) -> int:
        """Batches in an epoch, of this rank."""
        return -(-self.n_windows // self.batch_size)

    @property
    def first_batch(self) -> int:
        """Number of this part's first batch among those of the rank."""
        each, longer = divmod(self.n_batches, self.n_parts)
        return self.part * each + min(self.part, longer)

    def __len__(self) -> int:
        """Number of the rank's batch that is the first after this part."""
        each, longer = divmod(self.n_batches, self.n_parts)
        return self.first_batch + each + (self.part < longer)

    def start_at(self, batch: int) -> None:
        """Begin the next iteration with this part's batch number `batch`."""
        self._resume_at = self.first_batch + batch

    def _order(self) -> EpochOrder:
        """The rank's order up to the end of this part: nothing beyond it is read ahead."""
        order = super()._order()
        n = min(len(self) * self.batch_size, self.n_windows)
        buffers = np.append(order.buffers[order.buffers < n], n)
        return replace(order, windows=order.windows[:n], counted=order.counted[:n], buffers=buffers)

    def identity(self) -> dict[str, Any]:
        """All that the batches of an epoch follow from, but for the epoch and the rank."""
        return self._identity() | {"even": self.even}
