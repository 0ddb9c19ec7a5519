"""A batch of windows, and how a record in memory becomes one."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ecg12.ecg.patient_features import N_PATIENT_FEATURES
from ecg12.ecg.signals.window import WindowPlan, cut_window


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Batch:
    """Windows side by side; samples are still the store's int16.

    Attributes
    ----------
    signal : int16 tensor, shape (window, lead, window_length), µV; float32 where it is not from a store
    valid, pad : int64 tensors, shape (window,): recorded samples, zeros in front of them
    scale : float32 tensor, shape (window,): the record's amplitude, µV
    record : int64 tensor, shape (window,): row of the record in the store; -1 where there is none
    number : int64 tensor, shape (window,): number of the window in its record
    patient : float32 tensor, shape (window, 4): age and sex, see `ecg.patient_features`
    label : float32 tensor, shape (window, class): what the loader was given for the record; else without classes
    counted : bool tensor, shape (window,): False for what must not count in loss or metrics: a repeat that only
        makes ranks equally long, or no window at all
    reset : bool tensor, shape (window,): whether the window's row forgets what came before it; it always does but
        where the batches go through records row by row
    """

    signal: Tensor
    valid: Tensor
    pad: Tensor
    scale: Tensor
    record: Tensor
    number: Tensor
    patient: Tensor
    label: Tensor
    counted: Tensor
    reset: Tensor

    def __len__(self) -> int:
        return len(self.signal)

    def to(self, device: torch.device) -> Self:
        """The same on `device`; from pinned memory without waiting for the copy."""
        return type(self)(**{name: getattr(self, name).to(device, non_blocking=True) for name in FIELDS})

    def __getitem__(self, windows: slice) -> Self:
        """Some of its windows."""
        return type(self)(**{name: getattr(self, name)[windows] for name in FIELDS})

    def take(self, windows: Tensor) -> Self:
        """Some of its windows by their places, int64 (window,), in that order."""
        return type(self)(**{name: getattr(self, name)[windows] for name in FIELDS})


FIELDS = tuple(entry.name for entry in fields(Batch))


def join_batches(batches: Sequence[Batch]) -> Batch:
    """All their windows in one batch."""
    return Batch(**{name: torch.cat([getattr(batch, name) for batch in batches]) for name in FIELDS})


def cut_record(
    signal_uv: NDArray[np.float32],
    plan: WindowPlan,
    *,
    scale: float,
    row: int,
    patient: NDArray[np.float32] | None = None,
) -> Batch:
    """All windows of one record that is in memory.

    Parameters
    ----------
    signal_uv : float32 array, shape (lead, sample), µV
    plan : windows of this record alone
    scale : its amplitude, µV
    row : what the batch shall call it
    patient : float32 array, shape (4,): age and sex, see `ecg.patient_features`; None where nothing is known
    """
    known = np.zeros(N_PATIENT_FEATURES, np.float32) if patient is None else patient
    windows: NDArray[np.float32] = np.empty((len(plan), len(signal_uv), plan.window_length), np.float32)
    for number in range(len(plan)):
        cut_window(signal_uv, plan.start[number], plan.valid[number], plan.pad[number], windows[number])
    return Batch(
        signal=torch.from_numpy(windows),
        valid=torch.from_numpy(plan.valid),
        pad=torch.from_numpy(plan.pad),
        scale=torch.full((len(plan),), scale),
        record=torch.full((len(plan),), row),
        number=torch.from_numpy(plan.number),
        patient=torch.from_numpy(known).expand(len(plan), -1),
        label=torch.empty(len(plan), 0),
        counted=torch.ones(len(plan), dtype=torch.bool),
        reset=torch.ones(len(plan), dtype=torch.bool),
    )
