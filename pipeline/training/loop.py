"""The loop of any training: passes over batches, a row of figures for each, and what it takes to go on later.

It knows nothing of what is trained: a step takes a batch and gives its loss. Training and pretraining share it.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ecg12.ecg.errors import TrainingError
from ecg12.pipeline.loading.batch import Batch
from ecg12.pipeline.loading.window_batches import WindowBatches
from ecg12.pipeline.runtime.progress import Progress
from ecg12.pipeline.training.optimise import Schedule


class Step(Protocol):
    """One step of training, on one batch."""

    def begin_epoch(self) -> None:
        """Get ready for a pass."""

    def __call__(self, batch: Batch) -> Tensor:
        """Change the weights by one batch and give back its loss: a scalar without a graph, on its device."""


class Keeps(Protocol):
    """Anything beside network and optimiser that a continued run needs as it was."""

    def state_dict(self) -> dict[str, Any]:
        """Its state: tensors and plain values."""

    def load_state_dict(self, state: Any) -> Any:  # noqa: ANN401 - as torch's own
        """Take it over again."""


@dataclass(kw_only=True, slots=True)
class TrainState:
    """All that changes from epoch to epoch.

    Attributes
    ----------
    network : the one that is trained
    kept : the one that is validated and written as the model: `network`, or an average of its weights
    extras : by name, what else a continued run needs: it is kept in the last state and given back
    history : a row for each epoch so far
    outcome : what the model of the last epoch is written with, where that epoch's model is written: thresholds and
        logits, as tensors and plain values; None where it is not
    """

    network: nn.Module
    optimizer: Optimizer
    kept: nn.Module
    extras: dict[str, Keeps] = field(default_factory=dict)
    next_epoch: int = 0
    best_epoch: int = -1
    best_metric: float = -math.inf
    history: list[dict[str, Any]] = field(default_factory=list)
    outcome: dict[str, Any] | None = None

    def model_checkpoint(self, epoch: int) -> dict[str, Any]:
        """What prediction needs, and the optimiser beside it, as the reference system writes it."""
        return {
            "epoch": epoch,
            "model": self.kept.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": {"last_epoch": epoch},
        }

    def last_checkpoint(self, epoch: int) -> dict[str, Any]:
        """What it takes to go on after this epoch, and to write whatever else is written of it."""
        return {
            "epoch": epoch,
            "model": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "best_epoch": self.best_epoch,
            "best_metric": self.best_metric,
            "extras": {name: extra.state_dict() for name, extra in self.extras.items()},
            "history": [{key: _plain(value) for key, value in row.items()} for row in self.history],
            "outcome": self.outcome,
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take over the rest of what `last_checkpoint` gave; the network has its weights already."""
        self.optimizer.load_state_dict(saved["optimizer"])
        for name, extra in self.extras.items():
            extra.load_state_dict(saved["extras"][name])
        self.next_epoch = saved["epoch"] + 1
        self.best_epoch, self.best_metric = saved["best_epoch"], saved["best_metric"]
        self.history = list(saved.get("history", []))  # until lately only the table had it
        self.outcome = saved.get("outcome")

    def size_bytes(self, *, begun: bool) -> int:
        """About what an epoch's files take on the disk, optimiser included; where some are there, one at a time."""
        trained = {id(one): one for one in self.network.parameters() if one.requires_grad}
        network = sum(one.numel() * one.element_size() for one in self.network.state_dict().values())
        moments = 2 * sum(one.numel() * one.element_size() for one in trained.values())
        averages = network if self.kept is not self.network else 0
        last, model = network + moments + averages, network + moments
        return last if begun else last + model + network

    def is_best(self, epoch: int, metric: float) -> bool:
        """Whether this epoch is the best so far, which is remembered; without a metric every epoch is."""
        if not math.isnan(metric) and metric <= self.best_metric:
            return False
        self.best_epoch = epoch
        self.best_metric = self.best_metric if math.isnan(metric) else metric
        return True


def _plain(value: float) -> float:
    """A number that a checkpoint may hold, which is no numpy scalar."""
    return int(value) if isinstance(value, int | np.integer) else float(value)


class LossWatch:
    """Adds up losses, and stops the training where one is no number.

    A loss on a GPU is looked at a few steps later, so that no step waits for it. The weights of the epoch before
    are kept in any case.
    """

    LAG = 16

    def __init__(self, label: str, batches: WindowBatches) -> None:
        self.label = label
        self.batches = batches
        self.total, self.n_windows = 0.0, 0
        self._number = 0
        self._waiting: list[tuple[Tensor, Batch]] = []

    def add(self, loss: Tensor, batch: Batch) -> None:
        """Take a batch's loss, the mean over its windows that count."""
        self._waiting.append((loss, replace(batch, signal=torch.empty(0))))  # not the samples: they take memory
        if loss.device.type == "cpu" or len(self._waiting) >= self.LAG:
            self.settle()

    def settle(self) -> None:
        """Look at every loss so far.

        Raises
        ------
        TrainingError
            If one is not finite, naming the records of its batch.
        """
        waiting, self._waiting = self._waiting, []
        for loss, batch in waiting:
            value = float(loss)
            if not math.isfinite(value):
                rows = np.unique(batch.record.cpu().numpy())
                names = self.batches.store.ids[rows[rows >= 0]]
                raise TrainingError(
                    f"{self.label}: the loss is {value} on records {', '.join(names)}; the weights of the epoch "
                    "before are kept: look at these records, or try a smaller --lr"
                )
            n_windows = self._count(batch)
            self.total += value * n_windows
            self.n_windows += n_windows

    def _count(self, batch: Batch) -> int:
        """Windows that the batch's loss is the mean of: those of all ranks."""
        self._number += 1
        if self.batches.world_size == 1:
            return int(batch.counted.sum())
        return self.batches.windows_of_all(self._number - 1)

    @property
    def mean(self) -> float:
        """Mean loss of a window so far; NaN before the first."""
        return self.total / self.n_windows if self.n_windows else math.nan


def train_pass(
    step: Step,
    optimizer: Optimizer,
    schedule: Schedule,
    batches: WindowBatches,
    *,
    epoch: int,
    seed: int,
    progress: Progress,
) -> dict[str, float]:
    """One pass over the training windows; every random choice in it follows from seed and epoch.

    Returns
    -------
    the pass's part of the history: train_loss, lr (the last), windows_per_second, waiting (the share of time)

    Raises
    ------
    TrainingError
        If a loss is not a number.
    """
    torch.manual_seed(seed * 1_000_003 + epoch)
    batches.set_epoch(epoch)
    step.begin_epoch()
    label = f"epoch {epoch + 1}/{schedule.epochs}"
    watch, n_batches, begun = LossWatch(label.partition("/")[0], batches), len(batches), time.perf_counter()
    with progress(label, batches.n_windows, "windows") as task:
        for number, batch in enumerate(batches if n_batches else ()):
            if len(batch) == 1 < batches.batch_size:
                continue  # a lone last window: batch norm would take its statistics from it
            schedule.apply(optimizer, epoch, number, n_batches)
            watch.add(step(batch), batch)
            waiting = batches.waited_s / (time.perf_counter() - begun)
            task.advance(len(batch), loss=watch.mean, waiting=f"{waiting:.1%}")
    watch.settle()
    seconds = time.perf_counter() - begun
    return {
        "train_loss": watch.mean,
        "lr": float(optimizer.param_groups[0]["lr"]) if optimizer.param_groups else 0.0,
        "windows_per_second": round(watch.n_windows / seconds, 1),
        "waiting": round(batches.waited_s / seconds, 4),
    }


def run_epochs(
    state: TrainState,
    epochs: int,
    run_epoch: Callable[[int], dict[str, Any]],
    keep: Callable[[dict[str, Any]], None],
    report: Callable[[Mapping[str, Any]], None],
) -> bool:
    """Run the epochs that are left.

    Parameters
    ----------
    run_epoch : does one and gives its row of the history, to which the seconds are added
    keep : writes what is to be kept of an epoch; the state's history has its row already
    report : shows the row

    Returns
    -------
    True if Ctrl-C ended it early
    """
    try:
        for epoch in range(state.next_epoch, epochs):
            begun = time.perf_counter()
            row = {"epoch": epoch} | run_epoch(epoch)
            row["seconds"] = round(time.perf_counter() - begun, 3)
            state.history.append(row)
            keep(row)
            report(row)
    except KeyboardInterrupt:
        return True
    return False
