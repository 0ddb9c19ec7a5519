"""A transformer-XL stage in a classifier: memory across a record's windows in training, validation and prediction."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from ecg12.cache.reader import Store
from ecg12.ecg.models.output_layers import SigmoidLayer
from ecg12.ecg.signals.window import WindowConfig
from ecg12.pipeline.compute.window_logits import compute_window_logits, to_input
from ecg12.pipeline.loading.record_batches import RecordBatches
from ecg12.pipeline.loading.window_batches import WindowBatches
from ecg12.pipeline.prediction.own_model import OwnPredictor
from ecg12.pipeline.pretraining.pretrain import pretrain
from ecg12.pipeline.runs import run_folder as files
from ecg12.pipeline.runs.run_folder import load_model
from ecg12.pipeline.runs.train_config import TrainConfig
from ecg12.pipeline.training.epoch import TrainStep
from ecg12.pipeline.training.optimise import make_optimizer
from ecg12.pipeline.training.train import train

CPU = torch.device("cpu")
WINDOWS = WindowConfig(window_length=512)
NET = {"pretrain_model": "transformerxl", "dim_model": 8, "dim_inner": 12, "num_heads": 2, "num_trans_layers": 2}
NET |= {"mem_len": 20, "window_length": 512, "n_total": 24, "epochs": 1, "max_windows_per_record": 3, "dropout": 0.0}
OPTIONS = {"epochs": 2, "seed": 5, "max_windows_per_record": 3, "precision": "fp32", "save_logits": True}
MODEL = {"net_filter_size": (4,), "net_seq_length": (16,), "dropout_rate": 0.0, "pretrain_output_size": 3}


@pytest.fixture(scope="module")
def run(simulated_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier above it, trained on; tests only read it."""
    folder = tmp_path_factory.mktemp("remembering")
    pretrain(simulated_store, folder=folder / "xl", options=NET)
    options = OPTIONS | {"finetuning": True, "lr": 0.02}
    train(simulated_store, folder=folder / "run", pretrained=folder / "xl", options=options, model_options=MODEL)
    return folder / "run"


@pytest.fixture
def predictor(run: Path) -> OwnPredictor:
    return OwnPredictor(load_model(run))


@torch.no_grad()
def one_after_another(predictor: OwnPredictor, batches) -> dict[tuple[int, int], torch.Tensor]:
    """Logits by record and number, by a loop over single windows in order that keeps the memory of a record."""
    network, found, memory, before = predictor.network.eval(), {}, None, -1
    for batch in batches:
        memory = memory if int(batch.record) == before else None
        before = int(batch.record)
        features, memory = network[0].step(to_input(batch, CPU, "record"), memory)
        found[before, int(batch.number)] = network[1:](features)[0]
    return found


def assert_equal(found, expected: dict[tuple[int, int], torch.Tensor]) -> None:
    assert len(found.logits) == len(expected)
    for logits, record, number in zip(found.logits, found.record.tolist(), found.number.tolist(), strict=True):
        torch.testing.assert_close(logits, expected[record, number], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_prediction_reads_records_on(predictor, simulated_store: Path, batch_size: int) -> None:
    store, rows = Store(simulated_store), np.arange(10)
    expected = one_after_another(predictor, WindowBatches(store, rows, WINDOWS, batch_size=1))
    found = predictor.compute_logits(predictor.cut_windows(store, rows, batch_size), CPU)
    assert_equal(found, expected)
    order = RecordBatches(store, rows, WINDOWS, batch_size=3, seed=2)
    assert_equal(compute_window_logits(predictor.network, order, normalisation="record", device=CPU), expected)


def test_the_second_window_depends_on_the_first_and_on_no_other_record(predictor, simulated_store: Path) -> None:
    store = Store(simulated_store)
    batch = next(iter(WindowBatches(store, np.arange(3), WINDOWS, batch_size=100)))
    before = predictor.compute_logits([batch], CPU)
    signal = batch.signal.clone()
    first = int(np.flatnonzero((batch.record == 1) & (batch.number == 0))[0])
    signal[first] = signal[first].flip(1)
    after = predictor.compute_logits([replace(batch, signal=signal)], CPU)
    changed = (before.logits - after.logits).abs().amax(dim=1) > 1e-6
    assert changed[(before.record == 1) & (before.number <= 1)].all()
    assert not changed[before.record != 1].any()


def test_validation_has_the_logits_of_prediction(run: Path, predictor, simulated_store: Path) -> None:
    store = Store(simulated_store)
    names = files.read_ids(run / files.VALID_IDS)
    found = predictor.compute_logits(predictor.cut_windows(store, np.sort(store.rows_of(names)), 16), CPU)
    table = pd.read_csv(run / files.LOGITS)
    columns = zip(found.record.tolist(), found.number.tolist(), found.logits.numpy(), strict=True)
    mine = {(str(store.ids[row]), number): logits for row, number, logits in columns}
    assert len(table) == len(mine) > len(names)
    for row in table.itertuples(index=False):
        np.testing.assert_allclose(list(row)[2:], mine[row[0], int(row[1])], rtol=1e-4, atol=1e-4)


def test_training_learns_as_if_each_record_were_read_on(predictor, simulated_store: Path) -> None:
    """Gradients of a pass equal those of a naive loop over records that keeps each one's memory, detached."""
    store, rows = Store(simulated_store), np.arange(8)
    config = TrainConfig(model=predictor.config, finetuning=True)
    network = predictor.network.eval().requires_grad_(True)
    optimizer = make_optimizer(network.parameters(), name="adam", lr=0.1, weight_decay=0.0)
    step = TrainStep(network, SigmoidLayer(), optimizer, config, CPU)
    total = torch.zeros(())
    for batch in RecordBatches(store, rows, WINDOWS, batch_size=3, seed=1, residency="memory"):
        logits = step.forward(step.prepare(batch), batch)[batch.counted]
        total = total + (logits * weights_of(batch)).sum()
    total.backward()
    mine = [values.grad.clone() for values in network.parameters()]
    network.zero_grad()
    memory, before = None, -1
    for batch in WindowBatches(store, rows, WINDOWS, batch_size=1):
        memory = memory if int(batch.record) == before else None
        before = int(batch.record)
        features, memory = network[0].step(to_input(batch, CPU, "record"), memory)
        (network[1:](features) * weights_of(batch)).sum().backward()
    for own, values in zip(mine, network.parameters(), strict=True):
        torch.testing.assert_close(own, values.grad, rtol=1e-3, atol=1e-2)


def weights_of(batch) -> torch.Tensor:
    """A different weight for each window that counts, so that windows cannot stand for one another."""
    return (1 + batch.record[batch.counted] * 0.1 + batch.number[batch.counted] * 0.01)[:, None]


@pytest.mark.parametrize("model", [{"probe": True}, {"eval_transformer": True}, {"pred_stage_type": "lstm"}])
def test_every_network_above_it_trains_and_predicts(run: Path, simulated_store: Path, tmp_path: Path, model) -> None:
    options = OPTIONS | {"epochs": 1, "n_total": 20}
    extra = {} if "pred_stage_type" not in model else {"pred_stage_hidd": 4}
    train(
        simulated_store,
        folder=tmp_path / "r",
        pretrained=run.parent / "xl",
        options=options,
        model_options=MODEL | model | extra,
    )
    predictor, store = OwnPredictor(load_model(tmp_path / "r")), Store(simulated_store)
    together = predictor.compute_logits(predictor.cut_windows(store, np.arange(4), 16), CPU)
    alone = predictor.compute_logits(predictor.cut_windows(store, np.array([2]), 3), CPU)
    torch.testing.assert_close(together.logits[together.record == 2], alone.logits, rtol=1e-4, atol=1e-5)
