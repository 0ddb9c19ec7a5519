"""One step of a pretraining, and the loss on records that it does not train on.

Each part of the step is a method, so that whoever adds to one of them touches that one alone. The loop around it is
`pipeline.training.loop`.
"""

from collections.abc import Iterable
from functools import partial

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ecg12.ecg.models.networks.transformer_xl import Memory
from ecg12.ecg.models.pretraining_objectives import Loss, Objective, Windows
from ecg12.pipeline.compute.autocast import Autocast
from ecg12.pipeline.compute.ranks import ALONE, Ranks, add_gradients, total_over_ranks
from ecg12.pipeline.compute.window_logits import to_input
from ecg12.pipeline.loading.batch import Batch
from ecg12.pipeline.runs.pretrain_config import PretrainConfig


class PretrainStep:
    """A step of pretraining, see `pipeline.training.loop.Step`.

    Everything random about masks and noise comes from a generator on the device, seeded with the epoch.

    Parameters
    ----------
    ranks : which process this is; the gradient is that of the mean over the samples of all of them
    """

    def __init__(
        self,
        network: nn.Module,
        objective: Objective,
        optimizer: Optimizer,
        config: PretrainConfig,
        device: torch.device,
        *,
        ranks: Ranks = ALONE,
    ) -> None:
        self.network = network
        self.objective = objective
        self.optimizer = optimizer
        self.config = config
        self.device = device
        self.ranks = ranks
        self.autocast = Autocast(config.precision, device)
        self.generator = torch.Generator(device)
        self.memory: Memory | None = None

    def begin_epoch(self) -> None:
        """Training mode, nothing remembered; the loop has seeded torch for the epoch, and the generator follows."""
        self.network.train()
        if self.ranks.rank:
            torch.manual_seed(torch.initial_seed() + self.ranks.rank * 7_919)  # other masks and dropout on each rank
        self.generator.manual_seed(torch.initial_seed())
        self.memory = None

    def __call__(self, batch: Batch) -> Tensor:
        """Change the weights by one batch and give back its loss."""
        return self.train_on(self.prepare(batch))

    def train_on(self, windows: Windows) -> Tensor:
        """The same on a batch that is ready."""
        loss = self.compute_loss(windows)
        self.memory = loss.memory
        weight = total_over_ranks(loss.weight, self.ranks).clamp(min=1e-12)
        # each rank's gradient is that of its share of the mean; added up they are the gradient of all of it
        self.update(loss.total / weight)
        return total_over_ranks(loss.total.detach(), self.ranks) / weight

    def prepare(self, batch: Batch) -> Windows:
        """The batch as the objective sees it, with noise where that is asked for."""
        windows = to_windows(batch, self.device, self.config.normalisation)
        if not self.config.train_noise_std:
            return windows
        noise = torch.randn(windows.wanted.shape, generator=self.generator, device=self.device)
        noisy = windows.wanted + self.config.train_noise_std * noise
        return Windows(noisy, windows.wanted, windows.recorded, windows.reset)

    def compute_loss(self, windows: Windows) -> Loss:
        """The objective's, with its graph."""
        with self.autocast.forward():
            return self.objective.compute_loss(self.network, windows, self.generator, self.memory)

    def update(self, loss: Tensor) -> None:
        """One step of the optimiser, the gradient clipped."""
        add_up = partial(add_gradients, ranks=self.ranks)
        self.autocast.update(loss, self.optimizer, self.network.parameters(), self.config.clip_value, add_up)


def to_windows(batch: Batch, device: torch.device, normalisation: str) -> Windows:
    """A batch on the device as network input, and where it was recorded and counts."""
    signal = to_input(batch, device, normalisation)
    position = torch.arange(signal.shape[2], device=device)
    pad, valid = batch.pad.to(device)[:, None], batch.valid.to(device)[:, None]
    recorded = (position >= pad) & (position < pad + valid) & batch.counted.to(device)[:, None]
    return Windows(signal, signal, recorded, batch.reset.to(device))


@torch.inference_mode()
def compute_valid_loss(
    network: nn.Module,
    objective: Objective,
    batches: Iterable[Batch],
    config: PretrainConfig,
    device: torch.device,
    ranks: Ranks = ALONE,
) -> float:
    """Mean loss over all batches, of all ranks; NaN without any.

    What is hidden is the same each time, so that epochs compare; with another number of ranks it is something else.
    """
    network.eval()
    generator = torch.Generator(device).manual_seed(config.seed + ranks.rank * 7_919)
    total, weight = torch.zeros(2, dtype=torch.float64, device=device)
    memory: Memory | None = None
    autocast = Autocast(config.precision, device)
    for batch in batches:
        with autocast.forward():
            loss = objective.compute_loss(network, to_windows(batch, device, config.normalisation), generator, memory)
        memory = loss.memory
        total, weight = total + loss.total.double(), weight + loss.weight.double()
    return float(total_over_ranks(total, ranks) / total_over_ranks(weight, ranks))
