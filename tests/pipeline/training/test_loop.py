"""The loop of any training: what a pass reports, where it stops, and what a continued run gets back."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ecg12.cache.reader import Store
from ecg12.ecg.errors import TrainingError
from ecg12.ecg.signals.window import WindowConfig
from ecg12.pipeline.loading.batch import Batch
from ecg12.pipeline.loading.record_batches import RecordBatches
from ecg12.pipeline.loading.window_batches import WindowBatches
from ecg12.pipeline.runtime.progress import silent
from ecg12.pipeline.training.loop import LossWatch, TrainState, run_epochs, train_pass
from ecg12.pipeline.training.optimise import Schedule, make_optimizer


class Given:
    """A step that gives the losses it was told to, and remembers what it saw."""

    def __init__(self, losses: list[float]) -> None:
        self.losses = iter(losses)
        self.seen: list[int] = []
        self.begun = 0

    def begin_epoch(self) -> None:
        self.begun += 1

    def __call__(self, batch: Batch) -> torch.Tensor:
        self.seen.append(len(batch))
        return torch.tensor(next(self.losses))


@pytest.fixture(scope="module")
def store(simulated_store: Path) -> Store:
    return Store(simulated_store)


def batches_of(store: Store, n_records: int, batch_size: int, kind: type = WindowBatches, **options) -> WindowBatches:
    windows = WindowConfig(window_length=4096)
    return kind(store, np.arange(n_records), windows, batch_size=batch_size, residency="memory", **options)


def pass_over(step: Given, batches: WindowBatches, epoch: int = 0) -> dict[str, float]:
    optimizer = make_optimizer([nn.Parameter(torch.zeros(1))], name="adam", lr=0.5, weight_decay=0.0)
    schedule = Schedule(kind="steps", epochs=3, milestones=(1,), lr_factor=0.1)
    return train_pass(step, optimizer, schedule, batches, epoch=epoch, seed=1, progress=silent)


def test_the_loss_is_the_mean_over_windows(store: Store) -> None:
    step = Given([1.0, 2.0, 4.0])
    figures = pass_over(step, batches_of(store, 10, 4), epoch=1)
    assert step.seen == [4, 4, 2]
    assert step.begun == 1
    assert figures["train_loss"] == pytest.approx((4 * 1 + 4 * 2 + 2 * 4) / 10)
    assert figures["lr"] == pytest.approx(0.05)
    assert figures["windows_per_second"] > 0


def test_a_lone_last_window_is_left_out_but_not_a_batch_of_one(store: Store) -> None:
    step = Given([1.0, 2.0])
    pass_over(step, batches_of(store, 9, 4))
    assert step.seen == [4, 4]
    step = Given([1.0, 2.0, 3.0])
    assert pass_over(step, batches_of(store, 3, 1))["train_loss"] == pytest.approx(2.0)


def test_empty_rows_do_not_weigh(store: Store) -> None:
    batches = batches_of(store, 5, 4, RecordBatches)
    figures = pass_over(Given([1.0, 6.0]), batches)
    assert len(batches) == 2
    assert figures["train_loss"] == pytest.approx((4 * 1 + 1 * 6) / 5)


def test_a_pass_over_nothing(store: Store) -> None:
    assert math.isnan(pass_over(Given([]), batches_of(store, 0, 4))["train_loss"])


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_names_the_records_of_its_batch(store: Store, value: float) -> None:
    names = ", ".join(sorted(store.ids[4:8]))
    with pytest.raises(TrainingError, match=rf"epoch 1: the loss is {value} on records {names}; the weights of the"):
        pass_over(Given([1.0, value, 1.0]), batches_of(store, 10, 4))


def test_on_a_gpu_the_loss_is_looked_at_later(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.Tensor, "device", torch.device("cuda"))
    batches = batches_of(store, 3, 3)
    watch = LossWatch("epoch 1", batches)
    (batch,) = batches
    for _ in range(LossWatch.LAG - 1):
        watch.add(torch.tensor(2.0), batch)
    assert watch.n_windows == 0
    with pytest.raises(TrainingError, match="the loss is nan"):
        watch.add(torch.tensor(math.nan), batch)


def state_of(seed: int) -> TrainState:
    torch.manual_seed(seed)
    network = nn.Linear(3, 2)
    optimizer = make_optimizer(network.parameters(), name="adamw", lr=0.1, weight_decay=0.1)
    network(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    return TrainState(network=network, optimizer=optimizer, kept=network, extras={"other": nn.Linear(1, 1)})


def test_a_state_comes_back_with_its_extras() -> None:
    one, other = state_of(1), state_of(2)
    assert one.is_best(3, 0.5)
    saved = one.last_checkpoint(3)
    other.network.load_state_dict(saved["model"])
    other.restore(saved)
    assert (other.next_epoch, other.best_epoch, other.best_metric) == (4, 3, 0.5)
    assert torch.equal(other.extras["other"].state_dict()["weight"], one.extras["other"].state_dict()["weight"])
    moments = [state.optimizer.state_dict()["state"][0]["exp_avg"] for state in (one, other)]
    assert torch.equal(*moments)


def test_the_best_epoch_is_the_first_of_equals_and_the_last_without_a_metric() -> None:
    state = state_of(1)
    assert [state.is_best(epoch, metric) for epoch, metric in enumerate([0.1, 0.1, 0.3, 0.2])] == [
        True, False, True, False
    ]  # fmt: skip
    assert (state.best_epoch, state.best_metric) == (2, 0.3)
    state = state_of(1)
    assert all(state.is_best(epoch, math.nan) for epoch in range(3))
    assert state.best_epoch == 2


def test_epochs_are_run_kept_and_reported_in_this_order() -> None:
    state, events = state_of(1), []
    state.next_epoch = 1

    def run_one(epoch: int) -> dict[str, float]:
        events.append(("run", epoch))
        return {"loss": epoch * 2.0}

    def keep(row: dict) -> None:
        events.append(("keep", row["epoch"]))

    assert not run_epochs(state, 3, run_one, keep, lambda row: events.append(("say", row["loss"])))
    assert events == [("run", 1), ("keep", 1), ("say", 2.0), ("run", 2), ("keep", 2), ("say", 4.0)]
    assert [list(row) for row in state.history] == [["epoch", "loss", "seconds"]] * 2


def test_ctrl_c_ends_it_with_what_is_finished() -> None:
    state = state_of(1)

    def run_one(epoch: int) -> dict[str, float]:
        if epoch == 1:
            raise KeyboardInterrupt
        return {}

    assert run_epochs(state, 3, run_one, lambda row: None, lambda row: None)
    assert len(state.history) == 1
