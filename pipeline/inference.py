"""Scores of records: windows through the network, then the mean over each record's windows."""

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ecg.models.normalise import to_network_input
from ecg.models.output_layers import SigmoidLayer
from pipeline.batches import Batch


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
def compute_logits(
    network: nn.Module, batches: Iterable[Batch], *, normalisation: str, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Logits of every window.

    Returns
    -------
    logits : float32 tensor on `device`, shape (window, output)
    record : int64 tensor on `device`, shape (window,): row of each window's record
    """
    network.eval()
    logits, records = [], []
    for batch in batches:
        logits.append(network(to_input(batch, device, normalisation)).float())
        records.append(batch.record.to(device))
    return torch.cat(logits), torch.cat(records)


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
