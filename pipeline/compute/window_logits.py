"""Logits of windows, in whatever order they come."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

import torch
from torch import Tensor, nn

from ecg12.ecg.models.networks.carried_state import RecordMemory, remembering_stage
from ecg12.ecg.models.networks.heads import RecurrentHead
from ecg12.ecg.models.normalise import to_network_input
from ecg12.pipeline.loading.batch import Batch
from ecg12.pipeline.runtime.workers import Workers

FORWARD_WINDOWS = 16
"""About so many windows go through the network at once where no gradient is kept."""


T = TypeVar("T")


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
    return any(getattr(module, "n_patient", 0) > 0 for module in network.children())


def compute_window_logits(
    network: nn.Module,
    batches: Iterable[Batch],
    *,
    normalisation: str,
    device: torch.device,
    known: Callable[[Batch], Tensor] | None = None,
    workers: Workers | None = None,
) -> WindowLogits:
    """Logits of every window that counts.

    A network that carries something reads records from their first window to their last; its records must be there
    whole. A recurrent head runs over all of them at the end, on features that are kept until then. A stage that
    remembers goes on from batch to batch, so that each record's windows must come in order, and near each other: see
    `ecg.models.networks.carried_state.RecordMemory`.

    Parameters
    ----------
    known : gives what the network's first module makes of a batch's windows, where that is known already
    workers : what to run pieces of the batches side by side with, but those of a stage that remembers
    """
    network.eval()
    head = network[-1] if isinstance(network, nn.Sequential) and isinstance(network[-1], RecurrentHead) else None
    body = network if head is None else network[:-1]  # type: ignore[index]
    patient = takes_patient(network)
    stage = remembering_stage(network)
    memory = None if stage is None else RecordMemory(stage)

    @torch.inference_mode()
    def run(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        counted = batch.counted.to(device)
        record, number = batch.record.to(device)[counted], batch.number.to(device)[counted]
        if known is not None:
            output = body[1:](known(batch))[counted].float()  # type: ignore[index]
        elif memory is not None:
            x = to_input(batch, device, normalisation, patient)[counted]
            output = _read_on(body[1:], memory, x, record, number)  # type: ignore[index]
        else:
            x = to_input(batch, device, normalisation, patient)
            # in pieces: all at once would take gigabytes, and be slower for it
            output = torch.cat([body(piece).float() for piece in x.split(_piece_sizes(len(x)))])[counted]
        return output, record, number

    if workers is None or memory is not None:
        found = list(map(run, batches))
    else:
        found = _side_by_side(run, batches, workers)
    output, record, number = map(torch.cat, zip(*found, strict=True))
    if head is None:
        return WindowLogits(output, record, number)
    order = _record_order(record, number)
    with torch.inference_mode():
        logits = head.over_records(output[order], record[order])
    return WindowLogits(logits.float(), record[order], number[order])


def _side_by_side(run: Callable[[Batch], T], batches: Iterable[Batch], workers: Workers) -> list[T]:
    """What `run` gives for each piece of the batches."""
    return list(workers.map(run, chain.from_iterable(_split(batch, workers.n_workers) for batch in batches)))


def _split(batch: Batch, n_workers: int) -> Iterator[Batch]:
    """Pieces for the network, as many for one worker as for another, so that all end together."""
    first = 0
    for size in _piece_sizes(len(batch), n_workers):
        yield batch[slice(first, first + size)]
        first += size


def _piece_sizes(n_windows: int, n_workers: int = 1) -> list[int]:
    """Windows of each piece, the same number but for one more in the first of them."""
    n_pieces = n_workers * max(1, round(n_windows / (FORWARD_WINDOWS * n_workers)))
    sizes = (n_windows // n_pieces + (number < n_windows % n_pieces) for number in range(n_pieces))
    return [size for size in sizes if size > 0]


def _read_on(rest: nn.Module, memory: RecordMemory, x: Tensor, record: Tensor, number: Tensor) -> Tensor:
    """What comes out above a stage that remembers: (window, …)."""
    pieces = [(places, rest(found).float()) for places, found in memory.run(x, record, number, FORWARD_WINDOWS)]
    output = torch.cat([found for _, found in pieces])
    return torch.empty_like(output).index_copy(0, torch.cat([places for places, _ in pieces]), output)


def _record_order(record: Tensor, number: Tensor) -> Tensor:
    """Positions of the windows by record, and by number within it."""
    by_number = torch.argsort(number, stable=True)
    return by_number[torch.argsort(record[by_number], stable=True)]
