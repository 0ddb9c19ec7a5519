"""Several ranks pretrain as one: the curve of one rank with larger batches, and the pieces that bring them together."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ecg12.pipeline.compute import ranks as distributed_run
from ecg12.pipeline.compute.ranks import ALONE, Ranks, add_gradients, total_over_ranks
from ecg12.pipeline.runs import run_folder as files
from tests.pipeline.compute import test_ranks as test_distributed_run
from tests.pipeline.compute.test_ranks import finish, start


def test_two_ranks_give_the_curve_of_one_with_twice_the_batch(
    simulated_store: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(test_distributed_run, "SCRIPT", "tests.pipeline.pretraining.one_rank")
    finish(start(simulated_store, tmp_path / "two", 4, ranks=2) + start(simulated_store, tmp_path / "one", 8, ranks=1))
    two, one = (files.read_history(tmp_path / name / "pretrain_history.csv") for name in ("two", "one"))
    np.testing.assert_allclose([row["valid_loss"] for row in two], [row["valid_loss"] for row in one], rtol=1e-5)
    # a rank's last batch may be smaller, and its windows weigh as much as the others': so about the same
    np.testing.assert_allclose([row["train_loss"] for row in two], [row["train_loss"] for row in one], rtol=0.02)
    weights = [files.load_checkpoint(tmp_path / name / "pretrain_final_model.pth")["model"] for name in ("two", "one")]
    for key, value in weights[0].items():
        torch.testing.assert_close(value, weights[1][key], rtol=1e-4, atol=1e-5)


def test_alone_nothing_is_brought_together() -> None:
    value = torch.tensor(3.0)
    assert total_over_ranks(value, ALONE) is value
    add_gradients([torch.nn.Parameter(torch.ones(2))], ALONE)


def test_gradients_are_added_up_in_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    messages = []

    def double(flat: torch.Tensor) -> None:
        messages.append(flat.clone())
        flat.mul_(2)

    monkeypatch.setattr(distributed_run.dist, "all_reduce", double)
    parameters = [torch.nn.Parameter(torch.zeros(shape)) for shape in ((2, 3), (4,), (1,))]
    for number, values in enumerate(parameters[:2]):
        values.grad = torch.full(values.shape, number + 1.0)
    add_gradients(parameters, Ranks(rank=0, world_size=2))
    assert [len(message) for message in messages] == [10]
    assert parameters[0].grad.eq(2).all()
    assert parameters[1].grad.eq(4).all()
    assert parameters[2].grad is None
    assert total_over_ranks(torch.tensor(3.0), Ranks(rank=0, world_size=2)).item() == 6
