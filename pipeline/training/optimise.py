"""What moves the weights: the optimiser, and how high its learning rate is at each step.

A rate follows from epoch and batch alone, never from what was done before, so that a continued run goes on where it
was without a state of its own.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from ecg12.ecg.errors import ConfigError
from ecg12.pipeline.runs.pretrain_config import PretrainConfig
from ecg12.pipeline.runs.train_config import TrainConfig
from ecg12.pipeline.runtime.option_names import OPTIMIZERS


def make_optimizer(
    parameters: Iterable[nn.Parameter | dict[str, Any]],
    *,
    name: str,
    lr: float,
    weight_decay: float,
    fused: bool = False,
) -> Optimizer:
    """The optimiser over those parameters that are to be trained.

    Parameters
    ----------
    parameters : or groups of them, as torch has them, see `pipeline.training.parameter_groups`
    name : "adamw" (Loshchilov and Hutter 2019), or "adam" as the reference system has it
    fused : all of a step in one pass over the weights; the same to the last digits

    Raises
    ------
    ConfigError
        If there is no such optimiser.
    """
    kinds: dict[str, type[torch.optim.Adam]] = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}
    if name not in kinds:
        raise ConfigError(f"optimizer is {name!r}; expected {' or '.join(OPTIMIZERS)}")
    trained: list[Any] = [each for each in parameters if isinstance(each, dict) or each.requires_grad]
    return kinds[name](trained, lr=lr, weight_decay=weight_decay, fused=fused and bool(trained))


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """The learning rate over a training, as a share of the highest.

    Attributes
    ----------
    kind : "one_cycle" (see `compute_learning_rate`), or "steps": times `lr_factor` from each of `milestones` on
    epochs : of the whole training
    milestones : epochs, counted from 0
    """

    kind: str
    epochs: int
    milestones: tuple[int, ...] = ()
    lr_factor: float = 1.0

    def share(self, epoch: int, batch: int, n_batches: int) -> float:
        """Share of the highest rate at a batch of an epoch, both counted from 0."""
        if self.kind == "steps":
            return self.lr_factor ** sum(epoch >= milestone for milestone in self.milestones)
        return compute_learning_rate(epoch * n_batches + batch, self.epochs * n_batches)

    def apply(self, optimizer: Optimizer, epoch: int, batch: int, n_batches: int) -> None:
        """Set the rate of each of the optimiser's groups, whose highest is kept beside it."""
        share = self.share(epoch, batch, n_batches)
        for group in optimizer.param_groups:
            group["lr"] = group.setdefault("initial_lr", group["lr"]) * share


def schedule_of(config: TrainConfig | PretrainConfig) -> Schedule:
    """The schedule that a training or a pretraining is configured for."""
    return Schedule(
        kind=config.schedule, epochs=config.epochs, milestones=config.milestones, lr_factor=config.lr_factor
    )


def compute_learning_rate(step: int, n_steps: int) -> float:
    """Share of the highest learning rate at a step: linear over the first tenth, then a cosine to zero.

    Source: Smith and Topin 2019 (one cycle), with the cosine of Loshchilov and Hutter 2017.
    """
    warm_up = max(1, n_steps // 10)
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, n_steps - warm_up)))
