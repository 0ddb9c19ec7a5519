"""The moving average of weights: its formula, and that a continued run has it as it was."""

from pathlib import Path

import pytest
import torch
from torch import nn

from ecg12.pipeline.runs import run_folder as files
from ecg12.pipeline.training.averaging import WeightAverage
from ecg12.pipeline.training.train import train
from tests.conftest import TINY
from tests.pipeline.interrupted import Interrupted
from tests.pipeline.training.test_train import history_without_times


def test_it_is_the_recurrence() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    average, expected = WeightAverage(network, 0.9), network[0].weight.detach().clone()
    for step in range(30):
        network[0].weight.data += torch.randn(2, 3)
        network[1].running_mean += 1
        network[1].num_batches_tracked += 1
        average.update()
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * network[0].weight.detach()
    torch.testing.assert_close(average.network[0].weight, expected, rtol=1e-5, atol=1e-6)
    assert 20 < float(average.network[1].running_mean[0]) < 30
    assert int(average.network[1].num_batches_tracked) == 30
    assert not any(parameter.requires_grad for parameter in average.network.parameters())


def test_the_network_itself_is_left_alone() -> None:
    network = nn.Linear(3, 2)
    before = network.weight.detach().clone()
    average = WeightAverage(network, 0.9)
    average.network.weight.data.zero_()
    average.update()
    assert torch.equal(network.weight, before)


def test_its_state_survives() -> None:
    network = nn.Linear(3, 2)
    one, other = WeightAverage(network, 0.9), WeightAverage(nn.Linear(3, 2), 0.9)
    one.update()
    other.load_state_dict(one.state_dict())
    assert other.n_updates == 1
    assert torch.equal(other.network.weight, one.network.weight)


@pytest.mark.parametrize(
    "extra", [{"ema": 0.8}, {"ema": 0.8, "augment": ("gain", "shift", "noise"), "precision": "bf16"}]
)
def test_a_stopped_run_goes_on_to_the_same_numbers(simulated_store: Path, tmp_path: Path, extra: dict) -> None:
    options = {"epochs": 3, "seed": 5, "n_total": 30} | extra
    train(simulated_store, folder=tmp_path / "whole", options=options, model_options=TINY)
    train(simulated_store, folder=tmp_path / "cut", options=options, model_options=TINY, progress=Interrupted(3))
    train(simulated_store, folder=tmp_path / "cut")
    assert history_without_times(tmp_path / "cut") == history_without_times(tmp_path / "whole")
    for name in (files.FINAL_MODEL, files.LAST_STATE):
        whole, cut = (files.load_checkpoint(tmp_path / run / name)["model"] for run in ("whole", "cut"))
        assert all(torch.equal(value, cut[key]) for key, value in whole.items())


def test_the_average_is_what_is_validated_and_kept(simulated_store: Path, tmp_path: Path) -> None:
    train(simulated_store, folder=tmp_path, options={"epochs": 1, "n_total": 30, "ema": 0.9}, model_options=TINY)
    kept = files.load_checkpoint(tmp_path / files.FINAL_MODEL)["model"]
    state = files.load_checkpoint(tmp_path / files.LAST_STATE)
    average = state["extras"]["average"]["network"]
    assert all(torch.equal(value, average[key]) for key, value in kept.items())
    assert not torch.equal(kept["1.lin.weight"], state["model"]["1.lin.weight"])
