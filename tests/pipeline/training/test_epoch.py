"""A step of training: what counts in the loss, what a recurrent head carries on, what is frozen."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ecg12.cache.reader import Store
from ecg12.ecg.models.build import build_model
from ecg12.ecg.models.config.model import ModelConfig
from ecg12.ecg.models.config.stage import StageConfig
from ecg12.ecg.models.networks.carried_state import Carried, of_counted
from ecg12.ecg.models.output_layers import SigmoidLayer
from ecg12.ecg.signals.window import WindowConfig
from ecg12.pipeline.compute.window_logits import to_input
from ecg12.pipeline.loading.batch import Batch
from ecg12.pipeline.loading.record_batches import RecordBatches
from ecg12.pipeline.loading.window_batches import WindowBatches
from ecg12.pipeline.runs.train_config import TrainConfig
from ecg12.pipeline.training.epoch import TrainStep, freeze_stage
from ecg12.pipeline.training.optimise import make_optimizer

CPU = torch.device("cpu")
MODEL = ModelConfig(window_length=512, net_filter_size=(4,), net_seq_length=(16,), pred_stage_hidd=5, dropout_rate=0.0)


def step_of(config: TrainConfig, n_outputs: int = 24) -> TrainStep:
    torch.manual_seed(3)
    network = build_model(config.model, n_outputs)
    freeze_stage(network, config)
    optimizer = make_optimizer(network.parameters(), name="adam", lr=0.01, weight_decay=0.0)
    return TrainStep(network, SigmoidLayer(), optimizer, config, CPU)


@pytest.fixture
def batch(simulated_store: Path) -> Batch:
    store = Store(simulated_store)
    labels = store.column("label/scored").astype(np.float32)
    batches = WindowBatches(store, np.arange(6), WindowConfig(window_length=512), batch_size=10, labels=labels)
    return next(iter(batches))


def test_a_step_is_what_torch_does_by_hand(batch: Batch) -> None:
    config = TrainConfig(model=MODEL)
    step, other = step_of(config), step_of(config)
    step.begin_epoch()
    loss = step(batch)
    assert not loss.requires_grad
    other.network.train()
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        other.network(to_input(batch, CPU, "record")), batch.label
    )
    expected.backward()
    torch.optim.Adam(other.network.parameters(), lr=0.01).step()
    assert torch.equal(loss, expected)
    for mine, theirs in zip(step.network.parameters(), other.network.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_windows_that_do_not_count_leave_no_trace_in_the_loss(batch: Batch) -> None:
    step = step_of(TrainConfig(model=replace(MODEL, pred_stage_type="rnn")))
    counted = torch.ones(len(batch), dtype=torch.bool)
    counted[3] = False
    masked = replace(batch, counted=counted)
    logits = torch.randn(len(batch), 24)
    kept = [row for row in range(len(batch)) if row != 3]
    assert torch.equal(step.compute_loss(logits, masked), SigmoidLayer().compute_loss(logits[kept], batch.label[kept]))


def test_empty_rows_are_in_no_batch_norm(batch: Batch) -> None:
    network = build_model(MODEL, 24).train()
    x, counted = to_input(batch, CPU, "record"), torch.ones(len(batch), dtype=torch.bool)
    counted[4:] = False
    features = of_counted(network[:-1], x, counted)
    assert torch.equal(features[:4], build_as(network)[:-1](x[:4]))
    assert not features[4:].any()


def build_as(network: torch.nn.Sequential) -> torch.nn.Sequential:
    """Another network of the same weights, with running statistics of its own."""
    other = build_model(MODEL, 24).train()
    other.load_state_dict(network.state_dict())
    return other


def test_a_recurrent_head_learns_as_if_each_record_were_read_on(simulated_store: Path) -> None:
    """Gradients of a pass equal those of a naive loop over records that keeps each record's state, detached."""
    model = replace(MODEL, pred_stage_type="lstm")
    config = TrainConfig(model=model)
    store = Store(simulated_store)
    labels = store.column("label/scored").astype(np.float32)
    rows = RecordBatches(
        store, np.arange(12), WindowConfig(window_length=512), batch_size=3, seed=1, residency="memory", labels=labels
    )
    step = step_of(config)
    step.network.eval()  # batch norm by its running statistics, so that the company of a window does not matter
    naive = step_of(config)
    naive.network.eval()
    total = torch.zeros(())
    for batch in rows:
        logits = step.forward(step.prepare(batch), batch)
        total = total + (logits[batch.counted] * weights_of(batch)).sum()
    total.backward()
    windows = WindowBatches(store, np.arange(12), WindowConfig(window_length=512), batch_size=1, labels=labels)
    expected, state, before = torch.zeros(()), None, -1
    for batch in windows:
        if int(batch.record) != before:
            state, before = None, int(batch.record)
        features = naive.network[:-1](to_input(batch, CPU, "record"))
        logits, state = naive.network[-1].step(features, state)
        expected = expected + (logits * weights_of(batch)).sum()
    expected.backward()
    torch.testing.assert_close(total, expected, rtol=1e-4, atol=1e-3)
    for mine, theirs in zip(step.network.parameters(), naive.network.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-3, atol=1e-3)


def weights_of(batch: Batch) -> torch.Tensor:
    """A different weight for each window that counts, so that windows cannot stand for one another."""
    kept = batch.counted
    return (1 + batch.record[kept] * 0.1 + batch.number[kept] * 0.01)[:, None]


def test_nothing_is_carried_over_from_the_epoch_before(batch: Batch) -> None:
    step = step_of(TrainConfig(model=replace(MODEL, pred_stage_type="gru")))
    step.begin_epoch()
    step(batch)
    assert step.carried.state is not None
    step.begin_epoch()
    assert step.carried == Carried()


@pytest.mark.parametrize("kind", ["transformer", "lstm"])
def test_a_frozen_stage_keeps_still_but_for_its_new_layer(kind: str, batch: Batch) -> None:
    stage = StageConfig(
        pretrain_model=kind, hidden_size_rnn=4, num_layers=2, num_heads=2, num_trans_layers=1, dim_model=8, dim_inner=8
    )
    model = replace(MODEL, stage=stage, pretrain_output_size=3)
    frozen, tuned = step_of(TrainConfig(model=model)), step_of(TrainConfig(model=model, finetuning=True))
    new = ("decoder", "linear.")
    trained = {name: p.requires_grad for name, p in frozen.network[0].named_parameters()}
    assert {name for name, on in trained.items() if on} == {name for name in trained if name.startswith(new)}
    assert all(p.requires_grad for p in frozen.network[1:].parameters())
    assert all(p.requires_grad for p in tuned.network.parameters())
    frozen.begin_epoch()
    tuned.begin_epoch()
    assert not frozen.network[0].training
    assert frozen.network[1].training
    assert tuned.network[0].training
    before = {name: value.clone() for name, value in frozen.network[0].state_dict().items()}
    frozen(batch)
    moved = {name for name, value in frozen.network[0].state_dict().items() if not torch.equal(value, before[name])}
    new_layer = {name for name in trained if name.startswith(new)}
    # a bias below batch norm has a gradient of nothing but rounding, which some processors round to nothing
    assert {name for name in new_layer if name.endswith("weight")} <= moved <= new_layer
