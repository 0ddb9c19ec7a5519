"""What a module says of its own parameters decides, whatever module it is."""

import torch
from torch import nn

from ecg12.pipeline.training.parameter_groups import group_parameters


class Keeper(nn.Module):
    """A module that no one here has heard of, with a number that decay must not touch."""

    def __init__(self) -> None:
        super().__init__()
        self.step = nn.Parameter(torch.ones(1))
        self.weight = nn.Parameter(torch.ones(2))

    def undecayed(self) -> list[nn.Parameter]:
        return [self.step]


def test_what_a_module_keeps_from_decay_takes_none():
    keeper = Keeper()
    groups = group_parameters(nn.Sequential(nn.Linear(2, 1), keeper), lr=0.1)
    decay = {id(values): group.get("weight_decay", 0.5) for group in groups for values in group["params"]}
    assert decay.pop(id(keeper.step)) == 0.0
    assert set(decay.values()) == {0.5}
    assert len(decay) == 3


def test_without_such_modules_all_are_alike():
    network = nn.Linear(2, 1)
    assert list(group_parameters(network, lr=0.1)) == list(network.parameters())
