"""Logits of windows, in whatever order they come, and the mean of scores over each record's windows."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ecg.models.heads import RecurrentHead
from ecg.models.normalise import to_network_input
from ecg.models.output_layers import SigmoidLayer
from pipeline.batch import Batch


@dataclass(frozen=True, slots=True, eq=False)
class WindowLogits:
    """What a network says of windows, on its device.

    Attributes
    ----------
    logits : float32 tensor, shape (window, output)
    record : int64 tensor, shape (window,): row of each window's record
    number : int64 tensor, shape (window,): number of the window in its record
    """

    logits: Tensor
    record: Tensor
    number: Tensor

    def sorted(self) -> "WindowLogits":
        """The same with each record's windows together and in order, records ascending."""
        order = _record_order(self.record, self.number)
        return WindowLogits(self.logits[order], self.record[order], self.number[order])


def to_input(batch: Batch, device: torch.device, normalisation: str) -> Tensor:
    """A batch as network input on `device`: float32 (window, lead, sample)."""
    return to_network_input(
        batch.signal.to(device, non_blocking=True),
        batch.valid.to(device, non_blocking=True),
        batch.pad.to(device, non_blocking=True),
        batch.scale.to(device, non_blocking=True),
        normalisation=normalisation,
    )


@torch.inference_mode()
def compute_window_logits(
    network: nn.Module, batches: Iterable[Batch], *, normalisation: str, device: torch.device
) -> WindowLogits:
    """Logits of every window that counts.

    A recurrent head reads records from their first window to their last; its records must be there whole. It
    runs over all of them at the end, on features that are kept until then.
    """
    network.eval()
    head = network[-1] if isinstance(network, nn.Sequential) and isinstance(network[-1], RecurrentHead) else None
    body = network if head is None else network[:-1]  # type: ignore[index]
    outputs, records, numbers = [], [], []
    for batch in batches:
        output, counted = body(to_input(batch, device, normalisation)).float(), batch.counted.to(device)
        outputs.append(output[counted])
        records.append(batch.record.to(device)[counted])
        numbers.append(batch.number.to(device)[counted])
    output, record, number = torch.cat(outputs), torch.cat(records), torch.cat(numbers)
    if head is None:
        return WindowLogits(output, record, number)
    order = _record_order(record, number)
    logits = head.over_records(output[order], record[order])
    return WindowLogits(logits.float(), record[order], number[order])


def compute_logits(
    network: nn.Module, batches: Iterable[Batch], *, normalisation: str, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Logits of every window.

    Returns
    -------
    logits : float32 tensor on `device`, shape (window, output)
    record : int64 tensor on `device`, shape (window,): row of each window's record
    """
    found = compute_window_logits(network, batches, normalisation=normalisation, device=device)
    return found.logits, found.record


def pool_scores(logits: Tensor, record: Tensor) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Mean over each record's windows of their scores.

    Returns
    -------
    rows (int64, ascending) of the records, and their scores (float64, shape (record, output))
    """
    scores = SigmoidLayer().compute_scores(logits).double()
    rows, position, counts = torch.unique(record, return_inverse=True, return_counts=True)
    sums = torch.zeros(len(rows), scores.shape[1], dtype=torch.float64, device=scores.device)
    sums.index_add_(0, position, scores)
    return rows.cpu().numpy(), (sums / counts[:, None]).cpu().numpy()


def _record_order(record: Tensor, number: Tensor) -> Tensor:
    """Positions of the windows by record, and by number within it."""
    by_number = torch.argsort(number, stable=True)
    return by_number[torch.argsort(record[by_number], stable=True)]
