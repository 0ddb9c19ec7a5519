"""One step of a classifier's training: a batch becomes input, logits, loss, gradient, and a change of the weights.

Each of these is a method, so that whoever adds to one of them touches that one alone. The loop around it is
`pipeline.loop`.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from ecg.errors import ConfigError
from ecg.models.augment import Augmentation
from ecg.models.heads import RecurrentHead, State
from ecg.models.loss import WeightedSigmoid, metric_weights
from ecg.models.output_layers import OutputLayer
from ecg.models.stages import NEW_LAYERS
from pipeline.averaging import WeightAverage
from pipeline.batch import Batch
from pipeline.distributed_run import ALONE, Ranks
from pipeline.inference import append_patient, to_input
from pipeline.train_config import TrainConfig


class TrainStep:
    """A step of training, see `pipeline.loop.Step`.

    A recurrent head goes on from the state after its row's window before, detached, so that gradients stay within a
    window; the batches come from `pipeline.rowwise` then.

    Parameters
    ----------
    network : as `ecg.models.build` makes it
    output_layer : gives the loss
    average : follows the weights; None for none
    ranks : which process this is; the gradient is that of the mean over the windows of all of them

    Attributes
    ----------
    epoch : the present one, which random changes to windows follow from
    scaler : of losses in float16, whose gradients would vanish; a continued run needs its state
    """

    def __init__(
        self,
        network: nn.Sequential,
        output_layer: OutputLayer,
        optimizer: Optimizer,
        config: TrainConfig,
        device: torch.device,
        *,
        average: WeightAverage | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        self.network = network
        self.average = average
        self.ranks = ranks
        self.epoch = self.number = 0
        self.augmentation = Augmentation(names=config.augment, fs=config.model.fs) if config.augment else None
        self.scaler = torch.amp.GradScaler(device.type, enabled=config.precision == "fp16")
        self.called: nn.Module = network
        if ranks.world_size > 1:
            self.called = DistributedDataParallel(network)
        self.output_layer = output_layer
        self.optimizer = optimizer
        self.config = config
        self.device = device
        self.state: State | None = None

    def begin_epoch(self) -> None:
        """Training mode, but for a stage that is frozen; nothing is remembered of the epoch before."""
        self.network.train()
        freeze_mode(self.network, self.config)
        self.state = None
        self.number = 0
        if self.ranks.rank:
            torch.manual_seed(torch.initial_seed() + self.ranks.rank * 7_919)  # other dropout on each rank

    def __call__(self, batch: Batch) -> Tensor:
        """Change the weights by one batch and give back its loss."""
        loss = self.compute_loss(self.forward(self.prepare(batch), batch), batch)
        if self.ranks.world_size == 1:
            self.update(loss)
            return loss.detach()
        # each rank's gradient is that of its share; their mean, which it becomes, then is that of the whole
        share, mean = self.ranks.combine(loss.detach(), batch.counted)
        self.update(loss * share)
        return mean

    def prepare(self, batch: Batch) -> Tensor:
        """The network's input, float32 (window, lead, sample)."""
        x = to_input(batch, self.device, self.config.model.normalisation)
        if self.augmentation is not None:
            key = (self.config.seed, self.epoch, self.number, self.ranks.rank)
            x = self.augmentation(x, batch.valid.to(self.device), batch.pad.to(self.device), key=key)
        self.number += 1
        if self.config.model.patient:
            x = append_patient(x, batch.patient.to(self.device))
        return x

    def forward(self, x: Tensor, batch: Batch) -> Tensor:
        """Logits (window, output)."""
        head = self.network[-1]
        if not isinstance(head, RecurrentHead):
            return self.called(x)
        features = features_of_counted(self.network[:-1], x, batch.counted.to(self.device))
        logits, self.state = head.step(features, self.state, batch.reset.to(self.device))
        return logits

    def compute_loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """Mean over the windows that count."""
        if self.ranks.world_size == 1 and not self.config.model.has_recurrent_head:
            # all count; to look for those that do not would make a GPU wait
            return self.output_layer.compute_loss(logits, batch.label.to(self.device))
        counted = batch.counted.to(self.device)
        if not counted.any():
            return logits.sum() * 0
        return self.output_layer.compute_loss(logits[counted], batch.label.to(self.device)[counted])

    def update(self, loss: Tensor) -> None:
        """One step of the optimiser."""
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.average is not None:
            self.average.update()


def make_training_layer(layer: OutputLayer, config: TrainConfig, codes: Sequence[str | None]) -> OutputLayer:
    """The output layer with the loss that `config` wants to train with.

    Parameters
    ----------
    codes : of each output

    Raises
    ------
    ConfigError
        If weights or smoothing are asked for with another output layer than the sigmoid.
    """
    if config.class_weights == "none" and not config.label_smoothing:
        return layer
    if layer.name != "sigmoid":
        raise ConfigError(
            f"class_weights and label_smoothing are for output layer sigmoid; this one is {layer.name}: leave them out"
        )
    return WeightedSigmoid(metric_weights(codes) if config.class_weights == "metric" else None, config.label_smoothing)


def features_of_counted(body: nn.Module, x: Tensor, counted: Tensor) -> Tensor:
    """Features of all rows, zeros where there is no window, which so is in no batch norm's statistics."""
    if bool(counted.all()):
        return body(x)
    found = body(x[counted])
    features = found.new_zeros(len(x), *found.shape[1:])
    return features.index_put((counted,), found)


def freeze_stage(network: nn.Sequential, config: TrainConfig) -> None:
    """Take the weights of a pretrained stage out of the training, but for its new last layer."""
    if is_frozen(config):
        for name, parameter in network[0].named_parameters():
            parameter.requires_grad_(name.startswith(NEW_LAYERS))


def freeze_mode(network: nn.Sequential, config: TrainConfig) -> None:
    """Let a frozen stage give the features that prediction will see: without dropout."""
    if is_frozen(config):
        network[0].eval()


def is_frozen(config: TrainConfig) -> bool:
    """Whether there is a pretrained stage that is not to be trained."""
    return config.model.stage is not None and not config.finetuning
