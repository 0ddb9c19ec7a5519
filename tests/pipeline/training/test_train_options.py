"""Options of training that the reference system lacks: each has an effect, and scores do not follow the gain."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ecg12.cache.reader import Store
from ecg12.ecg.decisions.named_mappings import named_mapping
from ecg12.ecg.errors import ConfigError
from ecg12.ecg.models.build import build_model
from ecg12.ecg.models.config.model import ModelConfig
from ecg12.ecg.models.config.option_names import AUGMENTATIONS
from ecg12.ecg.models.output_layers import SigmoidLayer, SoftmaxLayer
from ecg12.ecg.patient_features import make_patient_features
from ecg12.ecg.signals.window import WindowConfig
from ecg12.ecg.tasks.named import CHALLENGE_2020, named_task
from ecg12.pipeline.compute.window_logits import append_patient, compute_window_logits, takes_patient
from ecg12.pipeline.formats.wfdb.reading import read_wfdb
from ecg12.pipeline.loading.window_batches import WindowBatches
from ecg12.pipeline.prediction.own_model import OwnPredictor
from ecg12.pipeline.runs import run_folder as files
from ecg12.pipeline.runs.train_config import TrainConfig
from ecg12.pipeline.training.epoch import TrainStep, make_training_layer
from ecg12.pipeline.training.optimise import make_optimizer
from ecg12.pipeline.training.targets import Targets
from ecg12.pipeline.training.train import train
from tests.conftest import TINY
from tests.records import write_record

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def batch(simulated_store: Path):
    store = Store(simulated_store)
    labels = store.column("label/scored").astype(np.float32)
    return next(iter(WindowBatches(store, np.arange(16), WindowConfig(), batch_size=16, labels=labels)))


def some_targets() -> Targets:
    """Of two records, one of which has every class."""
    task, mapping = named_task(CHALLENGE_2020), named_mapping("sigmoid")
    truth = np.stack([np.zeros(24, np.uint8), np.ones(24, np.uint8)])
    return Targets(
        task=task,
        mapping=mapping,
        labels=truth.astype(np.float32),
        correction=np.ones(24),
        columns=task.columns,
        classes=task.codes,
        truth=truth,
        labelled=np.ones(2, bool),
    )


def step_of(**options: Any) -> TrainStep:
    model = ModelConfig(**TINY, patient=options.pop("patient", False))
    config = TrainConfig(precision="fp32", kernels="flat", model=model, **options)
    torch.manual_seed(1)
    network = build_model(model, 24)
    optimizer = make_optimizer(network.parameters(), name="adamw", lr=0.01, weight_decay=0.0)
    layer = make_training_layer(SigmoidLayer(), config, some_targets(), np.arange(2))
    step = TrainStep(network, layer, optimizer, config, CPU)
    step.begin_epoch()
    return step


class TestStep:
    def test_augmentation_follows_seed_epoch_and_step(self, batch) -> None:
        def inputs(step: TrainStep, epoch: int) -> list[torch.Tensor]:
            step.epoch = epoch
            step.begin_epoch()
            return [step.prepare(batch), step.prepare(batch)]

        first, again = inputs(step_of(augment=AUGMENTATIONS), 0), inputs(step_of(augment=AUGMENTATIONS), 0)
        assert torch.equal(first[0], again[0])
        assert torch.equal(first[1], again[1])
        assert not torch.equal(first[0], first[1])
        assert not torch.equal(first[0], inputs(step_of(augment=AUGMENTATIONS), 1)[0])
        assert not torch.equal(first[0], inputs(step_of(augment=AUGMENTATIONS, seed=3), 0)[0])
        assert not torch.equal(first[0], step_of().prepare(batch))

    def test_age_and_sex_come_below_the_leads_unaugmented(self, batch) -> None:
        x = step_of(patient=True, augment=AUGMENTATIONS).prepare(batch)
        assert x.shape == (16, 16, 4096)
        torch.testing.assert_close(x[:, 12:], batch.patient[:, :, None].expand(-1, -1, 4096))

    def test_the_loss_is_not_looked_at(self, batch) -> None:
        loss = step_of()(batch)
        assert isinstance(loss, torch.Tensor)
        assert not loss.requires_grad

    def test_weights_and_smoothing_change_the_loss_and_are_for_sigmoids(self, batch) -> None:
        plain, smooth = step_of()(batch), step_of(label_smoothing=0.2)(batch)
        assert float(plain) != float(smooth)
        config = TrainConfig(class_weights="metric")
        assert make_training_layer(SigmoidLayer(), config, some_targets(), np.arange(2)).name == "sigmoid"
        with pytest.raises(ConfigError, match="are for output layer sigmoid; this one is softmax: leave them out"):
            make_training_layer(SoftmaxLayer(), config, some_targets(), np.arange(2))

    def test_fused_and_plain_optimisers_agree(self, batch) -> None:
        weights = []
        for fused in (False, True):
            step = step_of()
            step.optimizer = make_optimizer(
                step.network.parameters(), name="adamw", lr=0.01, weight_decay=0.1, fused=fused
            )
            for _ in range(3):
                step(batch)
            weights.append(step.network[1].lin.weight.detach().clone())
        torch.testing.assert_close(weights[0], weights[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ema": 1.0}, r"ema is 1\.0; expected a decay below 1, such as 0\.99, or 0 for none"),
        ({"label_smoothing": -0.1}, r"label_smoothing is -0\.1; expected 0 or more and below 1"),
        ({"augment": ["speed"]}, "augment is speed; expected each once, from gain"),
        ({"class_weights": "inverse"}, "class_weights is 'inverse'; expected none, metric"),
        ({"precision": "int8"}, "precision is 'int8'; expected auto, fp32, bf16, fp16"),
    ],
)
def test_bad_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainConfig.from_dict(options)


def test_the_same_seed_gives_the_same_numbers_with_everything_on(simulated_store: Path, tmp_path: Path) -> None:
    options = {"epochs": 1, "n_total": 20, "augment": AUGMENTATIONS, "ema": 0.9, "precision": "bf16"}
    options |= {"class_weights": "metric", "label_smoothing": 0.05}
    model = TINY | {"dropout_rate": 0.3, "patient": True}
    for name in ("one", "other"):
        train(simulated_store, folder=tmp_path / name, options=options, model_options=model)
    one, other = (files.load_checkpoint(tmp_path / name / files.LAST_STATE)["model"] for name in ("one", "other"))
    assert all(torch.equal(value, other[key]) for key, value in one.items())


class TestPatient:
    @pytest.mark.parametrize("network", [TINY, {"model": "s4d", "s4d_features": 4, "s4d_layers": 1}], ids=str)
    def test_prediction_from_a_record_sees_what_the_store_says(
        self, network: dict[str, Any], simulated_store: Path, tmp_path: Path
    ) -> None:
        folder = tmp_path / "run"
        options = {"epochs": 1, "n_total": 20, "max_windows_per_record": 1}
        train(simulated_store, folder=folder, options=options, model_options=network | {"patient": True})
        predictor = OwnPredictor(files.load_model(folder))
        assert takes_patient(predictor.network)
        path = write_record(tmp_path / "in", "A0001", age="61", sex="Female")
        cut = predictor.cut_recording(read_wfdb(path), 0)
        np.testing.assert_allclose(cut.patient[0], make_patient_features([61], [0])[0])
        assert predictor.predict([cut], CPU).scores.shape == (1, 27)

    def test_channels_are_constant(self) -> None:
        signal, patient = torch.randn(2, 3, 5), torch.tensor([[1.0, 2.0], [3.0, 4.0]])
        joined = append_patient(signal, patient)
        assert torch.equal(joined[:, :3], signal)
        assert torch.equal(joined[:, 3:], patient[:, :, None].expand(-1, -1, 5))


@pytest.mark.parametrize("gain", [4.88, 1 / 4.88])
def test_scores_do_not_follow_the_gain(run: Path, simulated_store: Path, gain: float) -> None:
    """Every input times 4.88, or divided by it, in float after reading: scores within 0.005."""
    predictor = OwnPredictor(files.load_model(run))
    batches = list(predictor.cut_windows(Store(simulated_store), np.arange(40), 64))
    changed = [replace(b, signal=b.signal.float() * gain, scale=b.scale * gain) for b in batches]
    before, after = (predictor.predict(windows, CPU).scores for windows in (batches, changed))
    assert before.std() > 1e-3  # the model says different things of different records
    np.testing.assert_allclose(after, before, atol=0.005)


def test_logits_do_not_depend_on_the_pieces(simulated_store: Path) -> None:
    store = Store(simulated_store)
    torch.manual_seed(0)
    network = build_model(ModelConfig(**TINY), 3).eval()
    found = [
        compute_window_logits(
            network,
            WindowBatches(store, np.arange(30), WindowConfig(), batch_size=size),
            normalisation="record",
            device=CPU,
        ).logits
        for size in (5, 64)
    ]
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-5)
