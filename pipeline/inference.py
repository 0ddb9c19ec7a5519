"""Logits of windows, in whatever order they come."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ecg.models.heads import RecurrentHead
from ecg.models.normalise import to_network_input
from ecg.models.resnet import ResNet1d
from pipeline.batch import Batch

FORWARD_WINDOWS = 32
"""Windows that go through the network at once where no gradient is kept."""


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


def to_input(batch: Batch, device: torch.device, normalisation: str, patient: bool = False) -> Tensor:
    """A batch as network input on `device`: float32 (window, lead, sample), with age and sex below if so wanted."""
    signal = to_network_input(
        batch.signal.to(device, non_blocking=True),
        batch.valid.to(device, non_blocking=True),
        batch.pad.to(device, non_blocking=True),
        batch.scale.to(device, non_blocking=True),
        normalisation=normalisation,
    )
    return append_patient(signal, batch.patient.to(device, non_blocking=True)) if patient else signal


def append_patient(signal: Tensor, patient: Tensor) -> Tensor:
    """Signals (window, lead, sample) with the patient's features as channels below the leads, constant in time."""
    return torch.cat([signal, patient[:, :, None].expand(-1, -1, signal.shape[2])], dim=1)


def takes_patient(network: nn.Module) -> bool:
    """Whether a network of `ecg.models.build` has age and sex among its input."""
    return any(module.n_patient > 0 for module in network.children() if isinstance(module, ResNet1d))


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
    patient = takes_patient(network)
    outputs, records, numbers = [], [], []
    for batch in batches:
        x = to_input(batch, device, normalisation, patient)
        counted = batch.counted.to(device)
        # in pieces: all at once would take gigabytes, and be slower for it
        output = torch.cat([body(piece).float() for piece in x.split(FORWARD_WINDOWS)])
        outputs.append(output[counted])
        records.append(batch.record.to(device)[counted])
        numbers.append(batch.number.to(device)[counted])
    output, record, number = torch.cat(outputs), torch.cat(records), torch.cat(numbers)
    if head is None:
        return WindowLogits(output, record, number)
    order = _record_order(record, number)
    logits = head.over_records(output[order], record[order])
    return WindowLogits(logits.float(), record[order], number[order])


def _record_order(record: Tensor, number: Tensor) -> Tensor:
    """Positions of the windows by record, and by number within it."""
    by_number = torch.argsort(number, stable=True)
    return by_number[torch.argsort(record[by_number], stable=True)]
