"""Several processes that train one network: `torchrun --nproc-per-node N cli.py train …` starts them.

Each reads its own share of every epoch's windows and of the validation windows; gradients, losses and validation logits
are brought together. Rank 0 alone writes and speaks. Gloo carries it on CPUs, NCCL on GPUs.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ecg12.ecg.errors import ConfigError
from ecg12.pipeline.compute.window_logits import WindowLogits

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranks:
    """Which process this is, of how many.

    Attributes
    ----------
    rank, world_size : among all
    local_rank : among those of this machine, which is the number of its GPU
    """

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0

    @property
    def writes(self) -> bool:
        """Whether this process writes files and speaks to the user."""
        return self.rank == 0

    def share(self, value: T) -> T:
        """Rank 0's value, on every rank; a plain value."""
        if self.world_size == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, src=0)
        return values[0]

    def wait(self) -> None:
        """Go on when every rank has come here."""
        if self.world_size > 1:
            dist.barrier()

    def combine(self, loss: Tensor, counted: Tensor) -> tuple[Tensor, Tensor]:
        """Bring together the losses of a step.

        Parameters
        ----------
        loss : this rank's mean over its windows that count; what it is without any does not matter
        counted : bool (window,)

        Returns
        -------
        share : factor for this rank's loss, so that the ranks' mean gradient is that of the mean over all windows
        mean : loss over all windows that count
        """
        n = counted.sum().to(loss.device, torch.float64)
        both = torch.stack([torch.where(n > 0, loss.double() * n, 0.0), n])
        dist.all_reduce(both)
        return (n * self.world_size / both[1]).to(loss.dtype), (both[0] / both[1]).to(loss.dtype)

    def gather(self, found: WindowLogits) -> WindowLogits:
        """The logits of all ranks' windows, on every rank."""
        if self.world_size == 1:
            return found
        return WindowLogits(*(_gather(values) for values in (found.logits, found.record, found.number)))


ALONE = Ranks()


def find_ranks(environment: Mapping[str, str] | None = None) -> Ranks:
    """What torchrun says of this process; alone without it.

    Raises
    ------
    ConfigError
        If what is said makes no sense.
    """
    values = os.environ if environment is None else environment
    if "RANK" not in values and "WORLD_SIZE" not in values:
        return ALONE
    try:
        rank, world_size = int(values["RANK"]), int(values["WORLD_SIZE"])
        local_rank = int(values.get("LOCAL_RANK", rank))
    except (KeyError, ValueError) as error:
        raise ConfigError(
            f"environment: RANK and WORLD_SIZE are {values.get('RANK')!r} and {values.get('WORLD_SIZE')!r}; expected "
            "both as torchrun sets them, or neither"
        ) from error
    if not 0 <= rank < world_size:
        raise ConfigError(f"environment: RANK is {rank}; expected 0 to {world_size - 1}, below WORLD_SIZE")
    return Ranks(rank=rank, world_size=world_size, local_rank=local_rank)


@contextmanager
def joined(ranks: Ranks, *, cuda: bool) -> Iterator[Ranks]:
    """Join the other ranks for as long as the context lasts; alone, nothing happens."""
    if ranks.world_size == 1 or dist.is_initialized():
        yield ranks
        return
    if cuda:
        torch.cuda.set_device(ranks.local_rank)
    dist.init_process_group("nccl" if cuda else "gloo", rank=ranks.rank, world_size=ranks.world_size)
    try:
        yield ranks
    finally:
        dist.destroy_process_group()


def total_over_ranks(value: Tensor, ranks: Ranks) -> Tensor:
    """The sum of the ranks' values, on every rank."""
    if ranks.world_size == 1:
        return value
    total = value.double()
    dist.all_reduce(total)
    return total.to(value.dtype)


def add_gradients(parameters: Sequence[nn.Parameter], ranks: Ranks) -> None:
    """Give every rank the sum of the ranks' gradients, brought together in one message."""
    if ranks.world_size == 1:
        return
    gradients = [values.grad for values in parameters if values.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    parts = flat.split([gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))


def share_statistics(network: nn.Module, ranks: Ranks) -> None:
    """Give every rank the running statistics of rank 0's batch norms."""
    if ranks.world_size == 1:
        return
    running = [values for name, values in network.named_buffers() if name.rpartition(".")[2].startswith("running_")]
    if running:
        flat = torch.cat([values.flatten() for values in running])
        dist.broadcast(flat, src=0)
        for values, part in zip(running, flat.split([values.numel() for values in running]), strict=True):
            values.copy_(part.view_as(values))


def _gather(values: Tensor) -> Tensor:
    """The ranks' tensors one after another; they may differ in length."""
    world_size = dist.get_world_size()
    length = torch.tensor([len(values)], device=values.device)
    lengths = [torch.zeros_like(length) for _ in range(world_size)]
    dist.all_gather(lengths, length)
    longest = int(torch.cat(lengths).max())
    padded = torch.cat([values, values.new_zeros(longest - len(values), *values.shape[1:])])
    parts = [torch.empty_like(padded) for _ in range(world_size)]
    dist.all_gather(parts, padded)
    return torch.cat([part[: int(n)] for part, n in zip(parts, lengths, strict=True)])
