"""Folders that the reference system wrote: the same logits, scores and labels; every part; refusals by name."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from ecg12.cache.reader import Store
from ecg12.ecg.decisions.reference_rules import APRIL_CLASSES
from ecg12.ecg.errors import RunFolderError
from ecg12.ecg.labels.snomed import SCORED_CODES
from ecg12.ecg.models.stages import build_stage, transfer
from ecg12.pipeline.formats.wfdb.reading import read_wfdb
from ecg12.pipeline.prediction.predict import make_predictor
from ecg12.pipeline.runs.reference_folder import (
    ReferenceModel,
    is_reference_config,
    load_pretrained_net,
    load_reference_folder,
)
from ecg12.pipeline.runs.run_folder import load_model
from tests.pipeline.reference_folders import LAYERS_OF_CHOICE, SIGMOID, change_config, write_april, write_august

CPU = torch.device("cpu")
FIXTURES = ("april_lstm_resnet", "flipping_resnet", "resnet_linear_sigmoid", "resnet_lstm_sigmoid")

LOGITS, SCORES = 2e-4, 1e-4
"""What is asked for: logits absolute, scores relative. Measured: 6e-7 and 2e-7 from the records themselves."""

STORE_LOGITS, STORE_SCORES = 2e-4, 1e-4
"""The same bounds hold from a store, whose samples are up to half a microvolt off: measured 4e-5 and 3e-5."""


def compare(model_folder: Path, records: dict, find) -> None:
    """Hold the predictor of a folder against expected.json; `find` gives a record's batches by its path."""
    predictor = make_predictor(model_folder)
    for name, expected in records.items():
        decided = predictor.predict(find(predictor, name), CPU)
        assert decided.labels[0].tolist() == expected["labels"], name
        scores = expected["scores"]
        if isinstance(scores, dict):
            found = [decided.scores[0][predictor.classes.index(label)] for label in scores]
            scores = list(scores.values())
        else:
            found = decided.scores[0]
        np.testing.assert_allclose(found, scores, rtol=SCORES, atol=0)
        if "logits" in expected:
            logits = predictor.compute_logits(find(predictor, name), CPU).logits
            assert len(logits) == expected["n_windows"]
            np.testing.assert_allclose(logits, expected["logits"], rtol=0, atol=LOGITS)


@pytest.mark.shared
@pytest.mark.parametrize("name", FIXTURES)
def test_fixtures_predict_from_records_what_the_reference_did(shared: Path, name: str) -> None:
    folder = shared / "fixtures" / "reference_models" / name
    expected = json.loads((folder / "expected.json").read_text())
    assert list(make_predictor(folder).classes) == expected["classes"]
    data = shared / "data" / "challenge2020"

    def find(predictor, record):
        return [predictor.cut_recording(read_wfdb(data / f"{record}.hea"), 0)]

    compare(folder, expected["records"], find)


@pytest.mark.shared
@pytest.mark.parametrize("name", FIXTURES)
def test_fixtures_predict_from_a_store_what_the_reference_did(shared: Path, real_store: Path, name: str) -> None:
    folder = shared / "fixtures" / "reference_models" / name
    records = json.loads((folder / "expected.json").read_text())["records"]
    store = Store(real_store)

    def find(predictor, record):
        return predictor.cut_windows(store, np.array([store.index_of(Path(record).name)]), 3)

    assert (STORE_LOGITS, STORE_SCORES) == (LOGITS, SCORES)
    make_predictor(folder).check_store(store)
    compare(folder, records, find)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["april_lstm_resnet", "flipping_resnet"])
def test_fixtures_pretrained_nets_load_and_become_stages(shared: Path, name: str) -> None:
    """The frozen stage of flipping_resnet is its pretraining's, new last layer apart: outputs match."""
    folder = shared / "fixtures" / "reference_models" / name
    config, net = load_pretrained_net(folder)
    model = load_reference_folder(folder)
    stage = build_stage(config, 12, model.config.pretrain_output_size).eval()
    transfer(net.state_dict(), stage)
    windows = torch.randn(2, 12, 4096, generator=torch.Generator().manual_seed(1))
    assert config == model.config.stage
    assert net(windows).shape == ((2, 48, 4096) if name.startswith("april") else (2, 12, 4))
    assert stage(windows).shape == model.network[0](windows).shape == (2, 16, 4096)
    if not model.finetuning:
        torch.testing.assert_close(stage.encode(windows), model.network[0].encode(windows))


def test_load_model_recognises_both_generations(tmp_path: Path) -> None:
    august = load_model(write_august(tmp_path / "august", stage="GRU"))
    april = load_model(write_april(tmp_path / "april"))
    assert isinstance(august, ReferenceModel)
    assert isinstance(april, ReferenceModel)
    assert (august.generation, april.generation) == ("august", "april")
    assert (august.rule.classes, april.rule.classes) == (SCORED_CODES, APRIL_CLASSES)
    assert august.epoch == april.epoch == 4
    assert not august.network.training
    assert august.config.normalisation == april.config.normalisation == "none"


def test_aprils_flag_is_inverted(tmp_path: Path) -> None:
    folder = write_april(tmp_path / "april", finetunning=True)
    assert not load_reference_folder(folder).finetuning
    change_config(folder, finetunning=False)
    assert load_reference_folder(folder).finetuning
    folder = write_august(tmp_path / "august", finetuning=True)
    assert load_reference_folder(folder).finetuning


@pytest.mark.parametrize("stage", [None, "LSTM", "GRU", "RNN"])
def test_april_folders_load(tmp_path: Path, stage: str | None) -> None:
    model = load_reference_folder(write_april(tmp_path / "april", stage))
    assert [type(module).__name__ for module in model.network] == [
        *(["RnnStage"] if stage else []),
        "ResNet1d",
        "LinearHead",
    ]
    assert model.output_layer.name == "concat:softmax:2-softmax:2-sigmoid:4"
    assert model.rule.thresholds.tolist() == np.linspace(0.2, 0.6, 8).tolist()


def test_april_weights_of_a_resnet_alone_load(tmp_path: Path) -> None:
    folder = write_april(tmp_path / "april")
    expected = load_reference_folder(folder).network.state_dict()
    state = torch.load(folder / "model.pth", weights_only=False)
    state["model"] = {name.removeprefix("0."): value for name, value in state["model"].items()}
    torch.save(state, folder / "model.pth")
    found = load_reference_folder(folder).network.state_dict()
    assert all(torch.equal(found[name], value) for name, value in expected.items())


@pytest.mark.parametrize("head", ["linear", "lstm", "gru", "rnn", "LSTM"])
@pytest.mark.parametrize("stage", [None, "RNN", "LSTM", "GRU", "Transformer"])
def test_every_head_goes_with_every_stage(tmp_path: Path, head: str, stage: str | None) -> None:
    folder = write_august(tmp_path / "run", stage=stage, pred_stage_type=head.lower(), pred_stage_n_layer=2)
    change_config(folder, pred_stage_type=head)
    model = load_reference_folder(folder)
    assert model.network(torch.zeros(2, 12, 4096)).shape == (2, 3)
    saved = torch.load(folder / "model.pth")["model"]
    assert all(torch.equal(value, saved[name]) for name, value in model.network.state_dict().items())


@pytest.mark.parametrize("objective", ["flipping", "masking"])
def test_the_mlp_is_found(tmp_path: Path, objective: str) -> None:
    folder = write_august(
        tmp_path / "run", stage="Transformer", eval_transformer=True, seq_length=64, trans_train_type=objective
    )
    model = load_reference_folder(folder)
    assert [type(module).__name__ for module in model.network] == ["TransformerStage", "Mlp"]
    assert model.config.stage.trans_train_type == objective
    assert load_pretrained_net(folder)[0] == model.config.stage


@pytest.mark.parametrize("name", LAYERS_OF_CHOICE)
@pytest.mark.parametrize("strategy", ["mean", "max", "last"])
@pytest.mark.parametrize("before", [False, True])
def test_every_output_layer_and_strategy_is_found(tmp_path: Path, name: str, strategy: str, before: bool) -> None:
    folder = write_august(
        tmp_path / "run", LAYERS_OF_CHOICE[name], combination_strategy=strategy, predict_before_collapse=before
    )
    model = load_reference_folder(folder)
    assert model.output_layer.name == name
    assert model.rule.combination_strategy == strategy
    assert model.rule.predict_before_collapse is before
    decided = model.rule.decide(np.full((2, model.rule.mapping.n_outputs), 0.3), np.array([0, 0]))
    assert decided.labels.shape == decided.scores.shape == (1, 27)


def test_blocks_longer_than_the_window_are_left_out(tmp_path: Path) -> None:
    options = {"seq_length": 1024, "net_seq_length": [4096, 256, 16], "net_filter_size": [4, 6, 8]}
    with pytest.warns(UserWarning, match="1 block"):
        folder = write_august(tmp_path / "run", **options)
    with pytest.warns(UserWarning, match="longer than the window of 1024 samples and are left out"):
        model = load_reference_folder(folder)
    assert model.network(torch.zeros(1, 12, 1024)).shape == (1, 3)


def test_options_that_are_not_there_take_the_references_defaults(tmp_path: Path) -> None:
    folder = write_august(tmp_path / "run", dropout_rate=0.5)
    names = ("scale_by_n_predictions", "combination_strategy", "predict_before_collapse", "dropout_rate")
    change_config(folder, **dict.fromkeys((*names, "pred_stage_type", "eval_transformer")))
    model = load_reference_folder(folder)
    assert model.rule.scale_by_n_predictions == (30.0, 1.0, 0.9, 0.9, 0.8, 0.7, 0.0)
    assert model.rule.combination_strategy == "mean"
    assert model.config.dropout_rate == 0.5


class Payload:
    """What a malicious checkpoint would hold."""

    def __reduce__(self):
        return os.system, ("touch ecg12-was-here",)


@pytest.mark.parametrize("write", [write_august, write_april])
def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path, write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = write(tmp_path / "run")
    torch.save({"epoch": 1, "model": {"x": Payload()}, "threshold": Payload()}, folder / "model.pth")
    with pytest.raises(RunFolderError, match=r"model\.pth: .*it would call \w+\.system, which is no weight"):
        load_model(folder)
    assert not (tmp_path / "ecg12-was-here").exists()


def test_an_array_is_allowed_in_april_only(tmp_path: Path) -> None:
    folder = write_august(tmp_path / "run")
    state = torch.load(folder / "model.pth") | {"threshold": np.zeros(8)}
    torch.save(state, folder / "model.pth")
    with pytest.raises(RunFolderError, match=r"it would call numpy\S*\._reconstruct, which is no weight"):
        load_model(folder)


def test_other_numpy_objects_are_refused_in_april(tmp_path: Path) -> None:
    folder = write_april(tmp_path / "run", threshold=[np.float64(0.5)] * 8)
    with pytest.raises(RunFolderError, match=r"it would call numpy\S*\.scalar, which is no weight"):
        load_model(folder)


@pytest.mark.parametrize(
    ("threshold", "message"),
    [
        (0.5, r"threshold is float; expected an array of float64"),
        (torch.zeros(8), r"threshold is Tensor; expected an array of float64"),
        (np.zeros(9), r"thresholds of shape \(9,\); expected 8 of them"),
    ],
)
def test_other_thresholds_are_refused(tmp_path: Path, threshold: object, message: str) -> None:
    with pytest.raises(RunFolderError, match=rf"model\.pth: {message}"):
        load_model(write_april(tmp_path / "run", threshold=threshold))


@pytest.mark.parametrize("name", ["model.pth", "out_layer.txt", "correction_factor.txt", "pretrain_config.json"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    folder = write_august(tmp_path / "run", stage="LSTM")
    (folder / name).unlink()
    with pytest.raises(RunFolderError, match=rf"{name}: missing; expected a run folder"):
        load_model(folder)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("correction_factor.txt", "1.0\n2.0\n", "2 correction factors; expected 3, one for each output"),
        (
            "correction_factor.txt",
            "1.0\nx\n1.0\n",
            r"correction_factor\.txt: could not convert .*; expected one number",
        ),
        ("correction_factor.txt", "1.0\nnan\n1.0\n", r"correction_factor\.txt: a factor is not finite"),
        ("correction_factor.txt", b"\xff\xfe", r"correction_factor\.txt: cannot be read"),
        ("out_layer.txt", "tanh\n0->1\n1,0,1\n", r"out_layer\.txt: output layer 'tanh' not known"),
        ("out_layer.txt", SIGMOID + "1,2\n", r"out_layer\.txt line 6: '1,2'; expected code,target,value"),
        ("out_layer.txt", "sigmoid\n0->1\n1,0,1\n", r"1, one for each output"),
        ("pretrain_config.json", "[]", r"pretrain_config\.json: list; expected an object"),
        ("pretrain_config.json", "{", r"pretrain_config\.json: cannot be read"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, name: str, text: str | bytes, message: str) -> None:
    folder = write_august(tmp_path / "run", stage="LSTM")
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(RunFolderError, match=message):
        load_model(folder)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        (
            "config.json",
            {"combination_strategy": "median"},
            "combination_strategy is 'median'; expected mean, max, last",
        ),
        (
            "config.json",
            {"scale_by_n_predictions": "rank"},
            r"config\.json: scale_by_n_predictions is 'rank'; expected",
        ),
        ("config.json", {"scale_by_n_predictions": []}, "scale_by_n_predictions is empty"),
        ("config.json", {"net_filter_size": [4]}, r"config\.json: net_filter_size has 1 entries"),
        ("config.json", {"pred_stage_type": "conv"}, r"config\.json: pred_stage_type is 'conv'"),
        ("config.json", {"net_filter_size": [4, 7]}, "weights of another network than config.json describes"),
        ("config.json", {"net_seq_length": [256, 100]}, r"config\.json: net_seq_length: 100 does not divide 256"),
        ("config.json", {"sample_freq": "fast"}, r"config\.json: ModelConfig: fs is 'fast'; expected float"),
        (
            "pretrain_config.json",
            {"pretrain_model": "BERT"},
            r"pretrain_config\.json: pretrain_model is 'bert'; expected rnn, lstm, gru, transformer, transformerxl,",
        ),
        ("pretrain_config.json", {"hidden_size_rnn": 6}, "weights of another network than config.json describes"),
        ("pretrain_config.json", {"pretrain_model": 3}, r"pretrain_config\.json: StageConfig: pretrain_model is 3"),
    ],
)
def test_configurations_that_do_not_fit_are_named(tmp_path: Path, name: str, values: dict, message: str) -> None:
    folder = write_august(tmp_path / "run", stage="LSTM")
    change_config(folder, name, **values)
    with pytest.raises(RunFolderError, match=message):
        load_model(folder)


def test_a_checkpoint_without_a_number_of_its_epoch_is_refused(tmp_path: Path) -> None:
    folder = write_august(tmp_path / "run")
    torch.save(torch.load(folder / "model.pth") | {"epoch": "last"}, folder / "model.pth")
    with pytest.raises(RunFolderError, match=r"model\.pth: epoch is 'last'; expected a number"):
        load_model(folder)


def test_pretraining_that_does_not_fit_is_named(tmp_path: Path) -> None:
    folder = write_august(tmp_path / "run", stage="Transformer")
    change_config(folder, "pretrain_config.json", seq_length=None)
    with pytest.raises(
        RunFolderError, match=r"pretrain_config\.json: seq_length is None; expected a number of samples"
    ):
        load_pretrained_net(folder)
    change_config(folder, "pretrain_config.json", seq_length=4095)
    with pytest.raises(RunFolderError, match=r"pretrain_config\.json: window of 4095 samples in tokens of 4"):
        load_pretrained_net(folder)
    change_config(folder, "pretrain_config.json", seq_length=2048)
    with pytest.raises(RunFolderError, match=r"pretrain_model\.pth: weights of another network"):
        load_pretrained_net(folder)


def test_other_configurations_are_not_the_references(tmp_path: Path) -> None:
    assert not is_reference_config({"model": {}, "net_seq_length": [1]})
    assert not is_reference_config({"seed": 2})
    assert not is_reference_config([])
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(RunFolderError, match=r"config\.json: neither net_seq_length nor net_seq_lengh in it; expected"):
        load_reference_folder(tmp_path)
