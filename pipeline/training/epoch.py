"""One step of a classifier's training: a batch becomes input, logits, loss, gradient, and a change of the weights.

Each of these is a method, so that whoever adds to one of them touches that one alone. The loop around it is
`pipeline.training.loop`.
"""

from collections.abc import Callable, Mapping
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.models.augment import Augmentation
from ecg12.ecg.models.loss import WeightedSigmoid, balancing_weights, metric_weights
from ecg12.ecg.models.networks.carried_state import Carried, carries, step_rows
from ecg12.ecg.models.output_layers import OutputLayer
from ecg12.ecg.models.plugin_parts import ChangeWindows
from ecg12.ecg.models.stages import NEW_LAYERS
from ecg12.pipeline.compute.ranks import ALONE, Ranks, add_gradients, share_statistics
from ecg12.pipeline.compute.window_logits import append_patient, to_input
from ecg12.pipeline.loading.batch import Batch
from ecg12.pipeline.runs.train_config import TrainConfig
from ecg12.pipeline.training.averaging import WeightAverage
from ecg12.pipeline.training.targets import Targets, code_of_outputs


class TrainStep:
    """A step of training, see `pipeline.training.loop.Step`.

    What carries something from a window to the next goes on from the state after its row's window before, detached, so
    that gradients stay within a window; the batches come from `pipeline.loading.record_batches` then.

    Parameters
    ----------
    network : as `ecg.models.build` makes it
    output_layer : gives the loss
    average : follows the weights; None for none
    augment : what plugins among the augmentations do, by name
    ranks : which process this is; the gradient is that of the mean over the windows of all of them

    Attributes
    ----------
    epoch : the present one, which random changes to windows follow from
    known : gives what the network's first module makes of a batch's windows, where that is computed already; it is to
        be set before the first step
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
        augment: Mapping[str, ChangeWindows] | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        self.network = network
        self.average = average
        self.ranks = ranks
        self.epoch = self.number = 0
        self.augmentation = None
        if config.augment:
            self.augmentation = Augmentation(names=config.augment, fs=config.model.fs, given=augment or {})
        self.scaler = torch.amp.GradScaler(device.type, enabled=config.precision == "fp16")
        self.known: Callable[[Batch], Tensor] | None = None
        self.output_layer = output_layer
        self.optimizer = optimizer
        self.config = config
        self.device = device
        self.carries = carries(network)
        self.carried = Carried()

    @cached_property
    def called(self) -> nn.Module:
        """What takes what `prepare` gives."""
        module = self.network if self.known is None else self.network[1:]
        # what carries something is not called as a whole: its gradients are brought together by hand
        by_hand = self.ranks.world_size == 1 or self.carries
        return module if by_hand else DistributedDataParallel(module)

    def begin_epoch(self) -> None:
        """Training mode, but for a stage that is frozen; nothing is remembered of the epoch before."""
        self.network.train()
        freeze_mode(self.network, self.config)
        self.carried = Carried()
        self.number = 0
        if self.ranks.rank:
            torch.manual_seed(torch.initial_seed() + self.ranks.rank * 7_919)  # other dropout on each rank

    def __call__(self, batch: Batch) -> Tensor:
        """Change the weights by one batch and give back its loss."""
        if self.carries and not batch.counted.any():
            loss = torch.zeros((), device=self.device)  # this rank's rows have ended, others' have not
        else:
            loss = self.compute_loss(self.forward(self.prepare(batch), batch), batch)
        if self.ranks.world_size == 1:
            self.update(loss)
            return loss.detach()
        # each rank's gradient is that of its share; their mean, which it becomes, then is that of the whole
        share, mean = self.ranks.combine(loss.detach(), batch.counted)
        self.update(loss * share)
        return mean

    def prepare(self, batch: Batch) -> Tensor:
        """The network's input, float32 (window, lead, sample), or what is known of it."""
        if self.known is not None:
            return self.known(batch)
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
        if not self.carries:
            return self.called(x)
        reset, counted = batch.reset.to(self.device), batch.counted.to(self.device)
        logits, self.carried = step_rows(self.network, x, self.carried, reset=reset, counted=counted)
        return logits

    def compute_loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """Mean over the windows that count."""
        if self.ranks.world_size == 1 and not self.carries:
            # all count; to look for those that do not would make a GPU wait
            return self.output_layer.compute_loss(logits, batch.label.to(self.device))
        counted = batch.counted.to(self.device)
        if not counted.any():
            return logits.sum() * 0
        return self.output_layer.compute_loss(logits[counted], batch.label.to(self.device)[counted])

    def update(self, loss: Tensor) -> None:
        """One step of the optimiser."""
        self.optimizer.zero_grad(set_to_none=True)
        scaled = self.scaler.scale(loss)
        if scaled.requires_grad:
            scaled.backward()
        if self.carries and self.ranks.world_size > 1:
            self._bring_together()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.average is not None:
            self.average.update()

    def _bring_together(self) -> None:
        """Give every rank the mean of the ranks' gradients, and rank 0's running statistics, as DDP does."""
        trained = [values for values in self.network.parameters() if values.requires_grad]
        for values in trained:
            if values.grad is None:
                values.grad = torch.zeros_like(values)  # this rank had no windows
        add_gradients(trained, self.ranks)
        for values in trained:
            assert values.grad is not None
            values.grad /= self.ranks.world_size
        share_statistics(self.network, self.ranks)


def make_judging_layer(layer: OutputLayer, targets: Targets) -> OutputLayer:
    """The output layer with its own loss, to which labels that are not known count for nothing."""
    return layer if targets.known is None else WeightedSigmoid(None, 0.0, some_unknown=True)


def make_training_layer(
    layer: OutputLayer, config: TrainConfig, targets: Targets, rows: NDArray[np.int64]
) -> OutputLayer:
    """The output layer with the loss that `config` wants to train with.

    Parameters
    ----------
    rows : of the store, those that train

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
    weights = of_positives = None
    if config.class_weights == "metric":
        if targets.task.metric is None:
            raise ConfigError(f"class_weights by the metric, which task {targets.task.name} has not; expected balanced")
        weights = metric_weights(code_of_outputs(targets.mapping), targets.task)
    elif config.class_weights == "balanced":
        of_positives = balancing_weights(targets.labels[rows])
    some_unknown = targets.known is not None
    return WeightedSigmoid(weights, config.label_smoothing, of_positives=of_positives, some_unknown=some_unknown)


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
