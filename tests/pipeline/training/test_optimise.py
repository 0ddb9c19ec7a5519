"""Optimisers and schedules: what is trained, and how high the rate is."""

import pytest
import torch
from torch import nn

from ecg12.ecg.errors import ConfigError
from ecg12.pipeline.training.optimise import Schedule, compute_learning_rate, make_optimizer


def test_only_what_is_to_be_trained_is() -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    network[0].requires_grad_(False)
    optimizer = make_optimizer(network.parameters(), name="adam", lr=0.1, weight_decay=0.0)
    assert type(optimizer) is torch.optim.Adam
    assert [len(parameter) for parameter in optimizer.param_groups[0]["params"]] == [1, 1]
    assert type(make_optimizer(network.parameters(), name="adamw", lr=0.1, weight_decay=0.1)) is torch.optim.AdamW
    with pytest.raises(ConfigError, match="optimizer is 'sgd'; expected adamw or adam"):
        make_optimizer(network.parameters(), name="sgd", lr=0.1, weight_decay=0.0)


def test_steps_are_those_of_torch() -> None:
    parameter = nn.Parameter(torch.zeros(1))
    mine = make_optimizer([parameter], name="adam", lr=0.1, weight_decay=0.0)
    theirs = torch.optim.Adam([parameter], lr=0.1)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(theirs, milestones=[2, 4], gamma=0.1)
    schedule = Schedule(kind="steps", epochs=6, milestones=(2, 4), lr_factor=0.1)
    for epoch in range(6):
        schedule.apply(mine, epoch, 3, 10)
        assert mine.param_groups[0]["lr"] == pytest.approx(theirs.param_groups[0]["lr"], rel=1e-12)
        theirs.step()
        scheduler.step()


def test_one_cycle_goes_on_from_epoch_to_epoch() -> None:
    schedule = Schedule(kind="one_cycle", epochs=4)
    shares = [schedule.share(epoch, batch, 25) for epoch in range(4) for batch in range(25)]
    assert shares == [compute_learning_rate(step, 100) for step in range(100)]


def test_the_rate_of_a_loaded_optimiser_is_that_of_its_epoch() -> None:
    parameter = nn.Parameter(torch.zeros(1))
    first = make_optimizer([parameter], name="adamw", lr=0.1, weight_decay=0.0)
    schedule = Schedule(kind="steps", epochs=6, milestones=(2, 4), lr_factor=0.1)
    schedule.apply(first, 3, 0, 10)
    second = make_optimizer([parameter], name="adamw", lr=0.1, weight_decay=0.0)
    second.load_state_dict(first.state_dict())
    schedule.apply(second, 4, 0, 10)
    assert second.param_groups[0]["lr"] == pytest.approx(1e-3)
