"""What a frozen stage says of every window, computed once for a probe, which would ask for it in every epoch.

A probe sees a mean and a maximum of each of the stage's features, a few kilobytes a window, so they are kept in memory.
They are computed in the order of the store before the first epoch, so that a run that is continued has the same
numbers. Nothing is kept where they change: under augmentation, below a stage that is trained, or of one that remembers
the window before, whose answer depends on where a stretch of a record begins.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ecg12.cache.reader import Store
from ecg12.ecg.models.probe import pool_positions
from ecg12.ecg.signals.window import WindowConfig
from ecg12.pipeline.compute.ranks import Ranks
from ecg12.pipeline.compute.window_logits import FORWARD_WINDOWS, WindowLogits, compute_window_logits
from ecg12.pipeline.loading.batch import Batch
from ecg12.pipeline.loading.window_batches import WindowBatches
from ecg12.pipeline.runs.train_config import TrainConfig
from ecg12.pipeline.runtime.progress import Progress, Task
from ecg12.pipeline.training.epoch import is_frozen

LARGEST_TABLE = 2**30
"""Bytes of features that are kept; of more, none are, and the stage runs in every epoch."""


class Pool(nn.Module):
    """What a probe makes of features."""

    def forward(self, x: Tensor) -> Tensor:
        """x: (window, feature, position)."""
        return pool_positions(x)


class KeptFeatures:
    """Features of windows by record and number.

    Parameters
    ----------
    found : features in the place of logits
    """

    def __init__(self, found: WindowLogits) -> None:
        found = found.sorted()
        self._stride = int(found.number.max()) + 1
        self._keys = found.record * self._stride + found.number
        self._values = found.logits

    def __call__(self, batch: Batch) -> Tensor:
        """Features of a batch's windows, float32 (window, feature); anything where there is no window."""
        keys = batch.record.to(self._keys.device) * self._stride + batch.number.to(self._keys.device)
        places = torch.searchsorted(self._keys, keys).clamp(max=len(self._keys) - 1)
        # a window that nobody asked for before would be another's features
        assert bool((self._keys[places] == keys)[batch.counted.to(keys.device)].all())
        return self._values[places]


def may_keep(config: TrainConfig) -> bool:
    """Whether a run's stage gives the same of a window in every epoch, and little enough of it."""
    return config.model.probe and is_frozen(config) and not config.augment and not config.model.stage_remembers


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptWindows:
    """The windows whose features are to be kept: all those of some of a store's records."""

    store: Store
    rows: NDArray[np.integer]
    config: TrainConfig
    device: torch.device
    ranks: Ranks

    def compute(self, network: nn.Sequential, progress: Progress) -> KeptFeatures | None:
        """What the network's stage says of them; None where it changes, or would take more than `LARGEST_TABLE`.

        Each rank computes a share, and has all of them then.
        """
        if not may_keep(self.config):
            return None
        options: dict[str, Any] = {
            "device": self.device,
            "check": self.config.check,
            "rank": self.ranks.rank,
            "world_size": self.ranks.world_size,
        }
        windows = WindowConfig(window_length=self.config.model.window_length)
        batches = WindowBatches(self.store, np.unique(self.rows), windows, batch_size=FORWARD_WINDOWS, **options)
        n_features: Any = network[0].n_features
        if batches.n_windows_of_all * 2 * n_features * 4 > LARGEST_TABLE:
            return None
        with progress("the stage's features", batches.n_windows, "windows") as task:
            found = compute_window_logits(
                nn.Sequential(network[0], Pool()),
                _shown(batches, task),
                normalisation=self.config.model.normalisation,
                device=self.device,
            )
        return KeptFeatures(self.ranks.gather(found))


def _shown(batches: WindowBatches, task: Task) -> Iterator[Batch]:
    for batch in batches:
        yield batch
        task.advance(len(batch))
