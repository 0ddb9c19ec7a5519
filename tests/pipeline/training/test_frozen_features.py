"""A probe whose stage is asked once: the same numbers, when nothing is kept, and what is read."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ecg12.cache.reader import Store
from ecg12.ecg.models.config.model import ModelConfig
from ecg12.ecg.models.config.stage import StageConfig
from ecg12.ecg.signals.window import WindowConfig
from ecg12.ecg.tasks.named import CHALLENGE_2020, named_task
from ecg12.pipeline.compute.window_logits import WindowLogits
from ecg12.pipeline.loading.window_batches import WindowBatches
from ecg12.pipeline.pretraining.pretrain import pretrain
from ecg12.pipeline.runs import run_folder as files
from ecg12.pipeline.runs.train_config import TrainConfig
from ecg12.pipeline.training import frozen_features as kept_features
from ecg12.pipeline.training.configure import configure
from ecg12.pipeline.training.frozen_features import KeptFeatures, may_keep
from ecg12.pipeline.training.train import train

CHALLENGE = named_task(CHALLENGE_2020)

NET = {"pretrain_model": "cpc", "dim_encoder": 4, "dim_context": 6, "context_layers": 1, "cpc_steps": 3}
NET |= {"negatives": 8, "window_length": 512, "n_total": 30, "epochs": 1, "max_windows_per_record": 2}
OPTIONS = {"epochs": 3, "seed": 5, "max_windows_per_record": 2, "n_total": 30}
PROBE = {"probe": True}


@pytest.fixture(scope="module")
def pretrained(simulated_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept") / "cpc"
    pretrain(simulated_store, folder=folder, options=NET)
    return folder


def probe(store: Path, pretrained: Path, folder: Path, **options) -> None:
    train(store, folder=folder, pretrained=pretrained, options=OPTIONS | options, model_options=PROBE)


@pytest.mark.parametrize("options", [{}, {"ema": 0.5}, {"residency": "stream"}])
def test_kept_features_give_what_the_stage_gives_in_every_epoch(
    pretrained, simulated_store: Path, tmp_path: Path, monkeypatch, options
) -> None:
    probe(simulated_store, pretrained, tmp_path / "kept", **options)
    monkeypatch.setattr(kept_features, "LARGEST_TABLE", 0)
    probe(simulated_store, pretrained, tmp_path / "asked", **options)
    kept, asked = (files.read_history(tmp_path / name / files.HISTORY) for name in ("kept", "asked"))
    for name in ("train_loss", "valid_loss", "auroc", "challenge_metric"):
        np.testing.assert_allclose([row[name] for row in kept], [row[name] for row in asked], rtol=1e-5)
    weights = [files.load_checkpoint(tmp_path / name / files.FINAL_MODEL)["model"] for name in ("kept", "asked")]
    for key, value in weights[0].items():
        torch.testing.assert_close(value, weights[1][key], rtol=1e-4, atol=1e-5)


def test_no_sample_is_read_after_the_features_are_there(
    pretrained, simulated_store: Path, tmp_path: Path, monkeypatch
) -> None:
    read = []
    signals = WindowBatches._signals

    def watched(self, order, first):
        read.append((self.with_samples, len(order.windows)))
        return signals(self, order, first)

    monkeypatch.setattr(WindowBatches, "_signals", watched)
    probe(simulated_store, pretrained, tmp_path / "run")
    with_samples = [n for wanted, n in read if wanted]
    assert len(with_samples) == 1  # one pass over every window, in training and validation 3 of each without samples
    assert len(read) == 1 + 2 * OPTIONS["epochs"]
    assert with_samples[0] > max(n for wanted, n in read if not wanted)


def test_a_probe_that_goes_on_has_the_numbers_of_one_that_never_stopped(
    pretrained, simulated_store: Path, tmp_path: Path
) -> None:
    options = {"schedule": "steps"}
    probe(simulated_store, pretrained, tmp_path / "whole", **options)
    probe(simulated_store, pretrained, tmp_path / "parts", **options | {"epochs": 1})
    train(simulated_store, folder=tmp_path / "parts", options={"epochs": 3})
    whole, parts = (files.load_checkpoint(tmp_path / name / files.FINAL_MODEL)["model"] for name in ("whole", "parts"))
    assert all(torch.equal(values, parts[name]) for name, values in whole.items())


def test_features_are_found_by_record_and_number(simulated_store: Path) -> None:
    store = Store(simulated_store)
    windows = WindowConfig(window_length=512)
    batches = WindowBatches(store, np.arange(5), windows, batch_size=7, seed=3)
    found = [(b.record, b.number, b.record * 100.0 + b.number) for b in batches]
    record, number, value = (torch.cat(column) for column in zip(*found, strict=True))
    kept = KeptFeatures(WindowLogits(value[:, None], record, number))
    batches.set_epoch(1)
    for batch in batches:
        assert torch.equal(kept(batch)[:, 0], batch.record * 100.0 + batch.number)
    missing = next(iter(WindowBatches(store, np.array([7]), windows, batch_size=2)))
    with pytest.raises(AssertionError):
        kept(missing)
    assert kept(replace(missing, counted=torch.zeros(2, dtype=torch.bool))).shape == (2, 1)


def test_nothing_is_kept_that_changes() -> None:
    stage = StageConfig(pretrain_model="mae")
    config = TrainConfig(model=ModelConfig(stage=stage, probe=True))
    assert may_keep(config)
    remembers = StageConfig(pretrain_model="transformerxl")
    for other in (
        replace(config, finetuning=True),
        replace(config, augment=("gain",)),
        replace(config, model=ModelConfig(stage=stage)),
        replace(config, model=ModelConfig(stage=remembers, probe=True)),
    ):
        assert not may_keep(other)


def test_a_probe_of_a_frozen_stage_has_defaults_of_its_own(pretrained, simulated_store: Path, tmp_path: Path) -> None:
    def configured(options, model_options=PROBE) -> TrainConfig:
        store = Store(simulated_store)
        return configure(tmp_path / "new", store, options, model_options, task=CHALLENGE, pretrained=pretrained)

    config = configured({})
    assert (config.epochs, config.lr, config.weight_decay) == (60, 0.01, 0.1)
    assert (configured({"epochs": 2, "lr": 0.5}).epochs, configured({"lr": 0.5}).lr) == (2, 0.5)
    usual = TrainConfig()
    for other in (configured({"finetuning": True}), configured({}, {})):
        assert (other.epochs, other.lr, other.weight_decay) == (usual.epochs, usual.lr, usual.weight_decay)
