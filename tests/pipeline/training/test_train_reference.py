"""Training with the reference system's pieces: heads, output layers, stages and rules, from store to prediction."""

import json
import logging
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from ecg12.cache.reader import Store
from ecg12.cache.schema import StoreConfig
from ecg12.ecg.decisions.output_mapping import parse_mapping
from ecg12.ecg.decisions.reference_rules import AugustRule
from ecg12.ecg.decisions.threshold_rule import ThresholdRule
from ecg12.ecg.errors import ConfigError, RunFolderError, TrainingError
from ecg12.ecg.labels.snomed import SCORED_CLASSES, SCORED_CODES
from ecg12.ecg.models.networks.heads import Mlp, RecurrentHead
from ecg12.ecg.scores.challenge_csv import parse_prediction
from ecg12.pipeline.ingest.build_cache import build_cache
from ecg12.pipeline.loading.record_batches import RecordBatches
from ecg12.pipeline.prediction.own_model import OwnPredictor
from ecg12.pipeline.prediction.predict import predict
from ecg12.pipeline.prediction.reference_model import ReferencePredictor
from ecg12.pipeline.runs import run_folder as files
from ecg12.pipeline.runs.presets import REFERENCE_TRAIN
from ecg12.pipeline.runs.reference_folder import load_reference_folder
from ecg12.pipeline.runs.run_folder import load_model
from ecg12.pipeline.runs.train_config import TrainConfig
from ecg12.pipeline.training.train import train
from tests.conftest import TINY
from tests.pipeline.interrupted import Interrupted
from tests.pipeline.reference_folders import write_august
from tests.pipeline.training.test_train import history_without_times, weights
from tests.records import pulses_uv, write_record

CPU = torch.device("cpu")
ONE = {"epochs": 1, "seed": 5}
CONCAT = "concat:softmax:2-sigmoid:1\n0->2/0->1\n270492004,0,1\n164889003,0,2\n426783006,1,1\n"
CONVEX = "cvx_softmax_3\nNone->2\n426783006,0,0\n164889003,0,1\n713427006,0,2\n59118001,0,2\n"


@pytest.fixture(scope="module")
def reference_run(simulated_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two epochs of `--preset reference` with a tiny network; tests only read it."""
    folder = tmp_path_factory.mktemp("reference") / "run"
    options = {"epochs": 2, "save_logits": True}
    train(simulated_store, folder=folder, preset="reference", options=options, model_options=TINY)
    return folder


def predictions(model: Path, path: Path) -> dict[str, tuple]:
    """Codes, labels and scores by record, as predict has them from a store."""
    store, predictor = Store(path), OwnPredictor(load_model(model))
    decided = predictor.predict(predictor.cut_windows(store, np.arange(store.n_records), 64), CPU)
    rows = zip(decided.record, decided.labels.tolist(), decided.scores.tolist(), strict=True)
    return {str(store.ids[row]): (predictor.classes, labels, scores) for row, labels, scores in rows}


def test_the_preset_gives_every_default_of_the_reference(reference_run: Path) -> None:
    values = json.loads((reference_run / "config.json").read_text())
    for name, value in REFERENCE_TRAIN.items():
        if name in TrainConfig.unsaid and value == getattr(TrainConfig(), name):
            assert name not in values["train"]
        elif name != "epochs":
            assert values["train"][name] == (list(value) if isinstance(value, tuple) else value), name
    assert values["train"]["epochs"] == 2  # an option goes before it
    assert values["model"]["normalisation"] == "none"
    assert values["model"]["net_filter_size"] == [4, 6]
    trained = load_model(reference_run)
    assert isinstance(trained.rule, AugustRule)
    assert trained.output_layer.name == "softmax"
    assert len(trained.mapping.targets) == 1


def test_the_folder_has_the_references_files(reference_run: Path, simulated_store: Path) -> None:
    names = {path.name for path in reference_run.iterdir()}
    assert names >= {"config.json", "model.pth", "history.csv", "train_ids.txt", "valid_ids.txt", "out_layer.txt"}
    assert names >= {"correction_factor.txt", "logits.csv", "final_model.pth"}
    assert "thresholds.json" not in names
    checkpoint = files.load_checkpoint(reference_run / "model.pth")
    assert set(checkpoint) == {"epoch", "model", "optimizer", "scheduler"}
    lines = (reference_run / "out_layer.txt").read_text().splitlines()
    assert lines[:2] == ["softmax", "0->24"]
    logits = (reference_run / "logits.csv").read_text().splitlines()
    assert logits[0] == "ids,subids," + ",".join(map(str, range(24)))
    valid = files.read_ids(reference_run / "valid_ids.txt")
    assert {line.split(",")[0] for line in logits[1:]} == set(valid)
    factors = np.loadtxt(reference_run / "correction_factor.txt")
    store = Store(simulated_store)
    annotated = store.column("label/annotated")
    # the most frequent class's factor is 1 over the share of records whose last label it is
    assert factors.shape == (24,)
    assert ((factors >= 0) & (factors <= 30)).all()
    never = store.column("label/scored")[annotated].sum(axis=0) == 0
    assert (factors[never] == 0).all()


def test_the_folder_is_one_of_the_reference_system(
    reference_run: Path, simulated: Path, simulated_store: Path, tmp_path: Path
) -> None:
    """With a config.json in its form, the program for its folders gives the same logits, labels and scores."""
    folder = Path(shutil.copytree(reference_run, tmp_path / "theirs"))
    config = json.loads((reference_run / "config.json").read_text())
    kept = ("net_filter_size", "net_seq_length", "kernel_size", "dropout_rate", "pred_stage_type")
    theirs = {name: config["model"][name] for name in kept} | {
        "combination_strategy": config["train"]["combination_strategy"],
        "scale_by_n_predictions": config["train"]["scale_by_rank"],
        "seq_length": config["model"]["window_length"],
        "sample_freq": 400,
    }
    (folder / "config.json").write_text(json.dumps(theirs))
    one, other = OwnPredictor(load_model(reference_run)), ReferencePredictor(load_reference_folder(folder))
    store = Store(simulated_store)
    rows = np.flatnonzero((store.lengths == 4000) & ~store.column("record/offset").any(axis=1))
    mine = one.predict(one.cut_windows(store, rows, 16), CPU)
    same = other.predict(other.cut_windows(store, rows, 16), CPU)
    assert len(rows) > 20
    np.testing.assert_allclose(mine.scores, same.scores, rtol=1e-6)
    np.testing.assert_array_equal(mine.labels, same.labels)
    assert mine.labels.any()


@pytest.mark.parametrize("head", ["lstm", "gru", "rnn"])
def test_recurrent_heads_train_and_predict(head: str, simulated_store: Path, tmp_path: Path) -> None:
    model = TINY | {"pred_stage_type": head, "pred_stage_hidd": 5, "pred_stage_n_layer": 2, "window_length": 1024}
    folder = tmp_path / "run"
    summary = train(simulated_store, folder=folder, options={"epochs": 3, "seed": 5}, model_options=model)
    losses = [row["train_loss"] for row in summary.history]
    assert losses[-1] < losses[0]
    trained = load_model(folder)
    assert isinstance(trained.network[-1], RecurrentHead)
    assert trained.network[-1].rnn.num_layers == 2
    assert len(predictions(folder, simulated_store)) == 80


def test_a_recurrent_head_sees_records_row_by_row(
    simulated_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = TINY | {"pred_stage_type": "gru", "pred_stage_hidd": 3, "window_length": 1024}
    seen: list[tuple[bool, bool]] = []
    real = RecurrentHead.step

    def step(self, x, state, reset=None):
        if self.training and reset is not None:
            seen.append((state is None, bool((~reset).any())))
        return real(self, x, state, reset)

    monkeypatch.setattr(RecurrentHead, "step", step)
    made: list[RecordBatches] = []
    monkeypatch.setattr(RecordBatches, "set_epoch", lambda self, epoch: made.append(self))
    train(simulated_store, folder=tmp_path / "run", options=ONE, model_options=model)
    assert len(made) == 1
    assert seen[0] == (True, False)  # an epoch begins with nothing remembered, every row with a record
    assert all(not first for first, _ in seen[1:])
    assert any(goes_on for _, goes_on in seen)


def test_a_recurrent_run_goes_on_to_the_same_numbers(simulated_store: Path, tmp_path: Path) -> None:
    model = TINY | {"pred_stage_type": "lstm", "pred_stage_hidd": 4, "window_length": 2048}
    options = {"epochs": 3, "seed": 5, "batch_size": 8}
    train(simulated_store, folder=tmp_path / "whole", options=options, model_options=model)
    train(simulated_store, folder=tmp_path / "stopped", options=options, model_options=model, progress=Interrupted(2))
    train(simulated_store, folder=tmp_path / "stopped")
    assert history_without_times(tmp_path / "whole") == history_without_times(tmp_path / "stopped")
    for name, value in weights(tmp_path / "whole" / "final_model.pth").items():
        assert torch.equal(value, weights(tmp_path / "stopped" / "final_model.pth")[name])


@pytest.mark.parametrize(
    ("output_layer", "name", "n_outputs"),
    [
        ("softmax", "softmax", 24),
        ("sigmoid", "sigmoid", 24),
        ("challenge_sigmoid", "sigmoid", 24),
        ("cpsc", "concat:softmax:2-softmax:2-sigmoid:4", 8),
        (CONCAT, "concat:softmax:2-sigmoid:1", 3),
        (CONVEX, "cvx_softmax_3", 3),
    ],
)
@pytest.mark.parametrize("decision", ["thresholds", "rank"])
def test_output_layers_train_and_predict(
    output_layer: str, name: str, n_outputs: int, decision: str, simulated_store: Path, tmp_path: Path
) -> None:
    if "\n" in output_layer:
        (tmp_path / "layer.txt").write_text(output_layer)
        output_layer = str(tmp_path / "layer.txt")
    folder = tmp_path / "run"
    options = ONE | {"epochs": 2, "output_layer": output_layer, "decision": decision, "correction_factor": "uniform"}
    summary = train(simulated_store, folder=folder, options=options, model_options=TINY)
    assert all(math.isfinite(row["valid_loss"]) for row in summary.history)
    assert summary.history[1]["train_loss"] < summary.history[0]["train_loss"]
    mapping = parse_mapping((folder / "out_layer.txt").read_text())
    assert (mapping.layer, mapping.n_outputs) == (name, n_outputs)
    trained = load_model(folder)
    assert isinstance(trained.rule, ThresholdRule if decision == "thresholds" else AugustRule)
    for codes, labels, scores in predictions(folder, simulated_store).values():
        assert codes == SCORED_CODES
        absent = [at for at, code in enumerate(codes) if code not in mapping.codes]
        if decision == "rank":
            assert all(labels[at] == 0 and scores[at] == 0 for at in absent)


def test_all_classes_of_the_store_are_trained_judged_and_predicted(simulated_store: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    options = ONE | {"train_classes": "dset", "valid_classes": "dset"}
    train(simulated_store, folder=folder, options=options, model_options=TINY)
    store = Store(simulated_store)
    codes = set(store.column("label/code"))
    assert set(load_model(folder).mapping.codes) == codes
    columns = [entry["code"] for entry in json.loads((folder / "classes.json").read_text())]
    assert set(columns) == codes | set(SCORED_CODES)
    assert tuple(json.loads((folder / "thresholds.json").read_text()))[:24] == SCORED_CLASSES
    for predicted, _, _ in predictions(folder, simulated_store).values():
        assert predicted == tuple(columns)


@pytest.mark.parametrize("stage", ["Transformer", "LSTM"])
@pytest.mark.parametrize("finetuning", [False, True])
def test_a_pretrained_stage_is_taken_frozen_or_not(
    stage: str, finetuning: bool, simulated_store: Path, tmp_path: Path
) -> None:
    folder = pretrained(tmp_path / "run", stage)
    before = files.load_checkpoint(folder / "pretrain_model.pth")["model"]
    options = ONE | {"epochs": 2, "finetuning": finetuning, "max_windows_per_record": 1}
    small = {"net_filter_size": (4,), "net_seq_length": (64,), "pretrain_output_size": 3, "window_length": 512}
    train(simulated_store, folder=folder, options=options, model_options=small)
    config = json.loads((folder / "config.json").read_text())
    assert config["model"]["stage"]["pretrain_model"] == stage.lower()
    assert config["model"]["normalisation"] == "none"  # what the stage was pretrained on
    after = weights(folder / "final_model.pth")
    kept = {name: value for name, value in before.items() if not name.startswith(("decoder", "linear."))}
    assert kept
    same = [torch.equal(after[f"0.{name}"], value) for name, value in kept.items() if not name.endswith(".pe")]
    assert all(same) != finetuning
    assert len(predictions(folder, simulated_store)) == 80


def pretrained(folder: Path, stage: str) -> Path:
    """A folder with nothing but a pretraining."""
    source = write_august(folder.parent / f"source of {stage}", stage=stage)
    folder.mkdir()
    for name in ("pretrain_config.json", "pretrain_model.pth"):
        shutil.copy(source / name, folder / name)
    return folder


def test_the_mlp_replaces_resnet_and_head(simulated_store: Path, tmp_path: Path) -> None:
    folder = pretrained(tmp_path / "run", "Transformer")
    model = {"eval_transformer": True, "pretrain_output_size": 1, "window_length": 512}
    train(simulated_store, folder=folder, options=ONE | {"max_windows_per_record": 1}, model_options=model)
    network = load_model(folder).network
    assert isinstance(network[1], Mlp)
    assert len(network) == 2


def test_a_stage_for_another_rate_or_without_a_store_is_refused(simulated_store: Path, tmp_path: Path) -> None:
    folder = pretrained(tmp_path / "run", "LSTM")
    config = json.loads((folder / "pretrain_config.json").read_text())
    (folder / "pretrain_config.json").write_text(json.dumps(config | {"sample_freq": 250}))
    with pytest.raises(ConfigError, match=r"400 Hz; the stage in .* was pretrained .*at 250 Hz: use a store"):
        train(simulated_store, folder=folder, options=ONE, model_options=TINY)
    with pytest.raises(ConfigError, match="eval_transformer is set, but there is no pretrained stage"):
        train(simulated_store, folder=tmp_path / "none", options=ONE, model_options={"eval_transformer": True})


def test_the_ids_of_the_pretraining_fix_the_split(simulated_store: Path, tmp_path: Path) -> None:
    folder = pretrained(tmp_path / "run", "LSTM")
    names = list(Store(simulated_store).ids)
    files.write_ids(folder / "pretrain_train_ids.txt", names[:50])
    files.write_ids(folder / "pretrain_valid_ids.txt", names[50:])
    small = {"net_filter_size": (4,), "net_seq_length": (64,), "pretrain_output_size": 2}
    train(simulated_store, folder=folder, options=ONE, model_options=small)
    assert set(files.read_ids(folder / "train_ids.txt")) <= set(names[:50])
    assert set(files.read_ids(folder / "valid_ids.txt")) <= set(names[50:])


def test_blocks_longer_than_the_window_are_dropped_with_a_warning(simulated_store: Path, tmp_path: Path) -> None:
    model = {"net_filter_size": (4, 5, 6), "net_seq_length": (4096, 256, 16), "window_length": 1024, "kernel_size": 3}
    with pytest.warns(UserWarning, match="1 block.s. of 4096 positions or fewer are longer than the window of 1024"):
        train(simulated_store, folder=tmp_path / "run", options=ONE, model_options=model)


def test_classes_without_positives_are_named(
    simulated_store: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        train(simulated_store, folder=tmp_path / "run", options=ONE | {"n_total": 12}, model_options=TINY)
    (message,) = (record.getMessage() for record in caplog.records if "no positive" in record.getMessage())
    assert "records to train on for " in message
    assert message.endswith("such an output learns to stay low")


def test_without_any_positive_nothing_is_trained(simulated_store: Path, tmp_path: Path) -> None:
    (tmp_path / "layer.txt").write_text("sigmoid\n0->1\nOWN,0,1\n")
    options = ONE | {"output_layer": str(tmp_path / "layer.txt")}
    with pytest.raises(ConfigError, match=r"none of its labels is one of the 1 classes of output layer .*; expected"):
        train(simulated_store, folder=tmp_path / "run", options=options, model_options=TINY)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"output layer .*layer\.txt': no such file; expected softmax, sigmoid, .*, cpsc, or a"),
        ("sigmoid\n0->1\nbad line\n", r"layer\.txt line 3: 'bad line'; expected code,target,value"),
        ("tanh\n0->1\n1,0,1\n", "output layer 'tanh' not known"),
    ],
)
def test_a_bad_output_layer_is_named(text: str | None, message: str, simulated_store: Path, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "layer.txt").write_text(text)
    with pytest.raises(ConfigError, match=message):
        train(simulated_store, folder=tmp_path / "r", options=ONE | {"output_layer": str(tmp_path / "layer.txt")})


def test_with_everything_in_validation_nothing_trains(
    simulated_store: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "run"
    with caplog.at_level(logging.WARNING):
        summary = train(simulated_store, folder=folder, options=ONE | {"valid_split": 1.0}, model_options=TINY)
    assert "valid_split is 1: nothing trains" in caplog.text
    assert (summary.n_train, summary.n_valid) == (0, 80 - unlabelled(simulated_store))
    assert math.isnan(summary.history[0]["train_loss"])
    assert math.isfinite(summary.history[0]["valid_loss"])
    assert files.read_ids(folder / "train_ids.txt") == []


def unlabelled(store: Path) -> int:
    return int((~Store(store).column("label/annotated")).sum())


def test_save_last_makes_the_last_weights_the_model(simulated_store: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    options = {"epochs": 3, "seed": 5, "save_last": True, "lr": 0.05}
    train(simulated_store, folder=folder, options=options, model_options=TINY)
    assert files.load_checkpoint(folder / "model.pth")["epoch"] == 2


def test_without_shuffling_every_epoch_has_the_stores_order(
    simulated_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ecg12.pipeline.training.epoch import TrainStep

    orders: list[list[int]] = []
    monkeypatch.setattr(TrainStep, "begin_epoch", lambda self: orders.append([]))
    monkeypatch.setattr(TrainStep, "__call__", lambda self, batch: orders[-1].extend(batch.record) or torch.zeros(()))
    train(simulated_store, folder=tmp_path / "r", options=ONE | {"epochs": 2, "shuffle": False}, model_options=TINY)
    assert orders[0] == orders[1] == sorted(orders[0])


def test_a_dated_folder_is_made_inside(simulated_store: Path, tmp_path: Path) -> None:
    summary = train(simulated_store, folder=tmp_path, dated=True, options=ONE, model_options=TINY)
    assert summary.folder.parent == tmp_path
    assert summary.folder.name.startswith("output_")


def test_an_output_that_is_no_number_in_validation_names_the_records(
    simulated_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ecg12.pipeline.compute import window_logits as inference

    real = inference.to_input
    monkeypatch.setattr(inference, "to_input", lambda *args: real(*args) * math.nan)
    with pytest.raises(
        TrainingError, match=r"validation: the network's output is no number on records \w+, .* and \d+ mo"
    ):
        train(simulated_store, folder=tmp_path / "run", options=ONE, model_options=TINY)
    assert not (tmp_path / "run" / "model.pth").exists()


def test_a_run_by_the_preset_goes_on_to_the_same_numbers(
    reference_run: Path, simulated_store: Path, tmp_path: Path
) -> None:
    folder, options = tmp_path / "stopped", {"epochs": 2, "save_logits": True}
    summary = train(
        simulated_store,
        folder=folder,
        preset="reference",
        options=options,
        model_options=TINY,
        progress=Interrupted(2),
    )
    assert (summary.interrupted, len(summary.history)) == (True, 1)
    train(simulated_store, folder=folder)
    assert history_without_times(folder) == history_without_times(reference_run)
    for name, value in weights(reference_run / "final_model.pth").items():
        assert torch.equal(value, weights(folder / "final_model.pth")[name])
    assert (folder / "logits.csv").read_text() == (reference_run / "logits.csv").read_text()


def test_a_run_folder_of_other_classes_is_refused(reference_run: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(reference_run, tmp_path / "copy"))
    (folder / "out_layer.txt").write_text("softmax\n0->2\n270492004,0,1\n164889003,0,2\n")
    with pytest.raises(RunFolderError, match="24 correction factors; expected 2, one for each output"):
        load_model(folder)


def test_a_lead_far_from_zero_is_the_same_from_file_and_store(tmp_path: Path) -> None:
    for seed in range(4):
        signal = pulses_uv(4000, seed=seed)
        signal[3] += 15_000 if seed == 2 else 0
        write_record(tmp_path / "in", f"ward{seed}", signal, dx=("426783006", "164889003")[seed % 2])
    build_cache([tmp_path / "in"], tmp_path / "ecg.zarr", StoreConfig())
    folder = tmp_path / "run"
    options = ONE | {"valid_split": 0.0}
    train(tmp_path / "ecg.zarr", folder=folder, preset="reference", options=options, model_options=TINY)
    for source in ("in", "ecg.zarr"):
        predict([tmp_path / source], tmp_path / f"of {source}", folder)
    for seed in range(4):
        one, other = (
            parse_prediction((tmp_path / f"of {source}" / f"ward{seed}.csv").read_text())
            for source in ("in", "ecg.zarr")
        )
        np.testing.assert_allclose(one.scores, other.scores, rtol=2e-3)
