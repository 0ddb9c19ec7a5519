"""Run folders: what loads, and what is refused by name."""

import datetime
import json
import os
import resource
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ecg12.ecg.errors import RunFolderError
from ecg12.ecg.labels.snomed import SCORED_CLASSES
from ecg12.ecg.models.config.stage import PRETRAIN_MODELS, StageConfig
from ecg12.pipeline.runs import run_folder as files
from ecg12.pipeline.training.train import train


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "copy"))


def test_a_run_folder_gives_its_model_back(run: Path) -> None:
    trained = files.load_model(run)
    assert trained.rule.merged == SCORED_CLASSES
    assert trained.config.net_filter_size == (4, 6)
    assert not trained.network.training
    stated = json.loads((run / "thresholds.json").read_text())
    np.testing.assert_array_equal(trained.rule.thresholds, [stated[code] for code in SCORED_CLASSES])
    assert trained.network(torch.zeros(2, 12, 4096)).shape == (2, 24)


def test_names_sort_by_time_and_the_newest_is_found(tmp_path: Path) -> None:
    moments = [datetime.datetime(2026, 1, 2, 3, 4, 5, 678), datetime.datetime(2026, 11, 2, 3, 4, 5)]
    for moment in moments:
        folder = files.new_run_folder(tmp_path, moment)
        folder.mkdir()
        (folder / "model.pth").touch()
    (tmp_path / "output_2027-01-01_00_00_00_000000").mkdir()  # begun, but without a model
    assert files.new_run_folder(tmp_path, moments[0]).name == "output_2026-01-02_03_04_05_000678"
    assert files.newest_run_folder(tmp_path).name == "output_2026-11-02_03_04_05_000000"
    with pytest.raises(RunFolderError, match="no run folder output_"):
        files.newest_run_folder(tmp_path / "output_2027-01-01_00_00_00_000000")


def test_a_missing_folder_or_file_is_named(copy: Path) -> None:
    with pytest.raises(RunFolderError, match="nowhere: no such run folder; run train, or name another with --model"):
        files.load_model(copy / "nowhere")
    for name in ("model.pth", "classes.json", "config.json"):
        (copy / name).unlink()
        with pytest.raises(RunFolderError, match=f"{name}: missing; expected a run folder made by train"):
            files.load_model(copy)


def test_damaged_weights_are_refused(copy: Path) -> None:
    good = (copy / "model.pth").read_bytes()
    for bad in (b"", good[:100], b"x" * 1000, good[: len(good) // 2]):
        (copy / "model.pth").write_bytes(bad)
        with pytest.raises(RunFolderError, match=r"model\.pth: damaged or not a checkpoint"):
            files.load_model(copy)


class Payload:
    """What a malicious checkpoint would hold."""

    def __reduce__(self):
        return os.system, ("touch /tmp/ecg12-was-here",)


def test_a_checkpoint_that_would_run_code_is_refused(copy: Path) -> None:
    torch.save({"model": Payload()}, copy / "model.pth")
    with pytest.raises(RunFolderError, match=r"model\.pth: damaged or not a checkpoint"):
        files.load_model(copy)


def test_other_contents_are_refused(copy: Path) -> None:
    torch.save([1, 2], copy / "model.pth")
    with pytest.raises(RunFolderError, match="not a checkpoint of this program; expected a dictionary"):
        files.load_model(copy)
    torch.save({"model": {"0.conv1.weight": torch.zeros(3)}, "epoch": 1}, copy / "model.pth")
    with pytest.raises(RunFolderError, match=r"weights of another network than config\.json describes \(Missing key"):
        files.load_model(copy)


def test_a_damaged_configuration_is_refused(copy: Path) -> None:
    (copy / "config.json").write_text("{")
    with pytest.raises(RunFolderError, match=r"config\.json: cannot be read .*; expected the JSON that train wrote"):
        files.load_model(copy)
    (copy / "config.json").write_text("{}")
    with pytest.raises(RunFolderError, match="no model configuration in it"):
        files.load_model(copy)
    (copy / "config.json").write_text('{"model": {"depth": 3}}')
    with pytest.raises(RunFolderError, match="ModelConfig: unknown depth"):
        files.load_model(copy)


def test_thresholds_of_other_classes_are_refused(copy: Path) -> None:
    (copy / "thresholds.json").write_text('{"1": 0.5}')
    with pytest.raises(RunFolderError, match=r"classes\.json and thresholds\.json do not fit each other"):
        files.load_model(copy)


def test_ids_and_history_round_trip(tmp_path: Path) -> None:
    files.write_ids(tmp_path / "ids", ["A0001", "ptb/S0001"])
    assert (tmp_path / "ids").read_text() == "A0001,ptb/S0001"
    assert files.read_ids(tmp_path / "ids") == ["A0001", "ptb/S0001"]
    (tmp_path / "ids").write_text("1\n2\n3\n")
    assert files.read_ids(tmp_path / "ids") == ["1", "2", "3"]
    rows = [{"epoch": 0, "loss": 0.25}, {"epoch": 1, "loss": 1e-9}]
    files.write_history(tmp_path / "history.csv", rows)
    assert files.read_history(tmp_path / "history.csv") == rows


def test_tables_that_are_none_are_named(run: Path, simulated_store: Path, copy: Path) -> None:
    for text in ("epoch,loss\n0,high\n", "epoch,loss\n0\n", "epoch,loss\n0,1,2\n"):
        (copy / "history.csv").write_text(text)
        with pytest.raises(RunFolderError, match=r"history\.csv: cannot be read .*; expected a row of numbers"):
            files.read_history(copy / "history.csv")
    (copy / "train_ids.txt").write_bytes(b"A0001,\xff")
    with pytest.raises(RunFolderError, match=r"train_ids\.txt: cannot be read .*; expected record names with commas"):
        train(simulated_store, folder=copy, options={"epochs": 4})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("net_filter_size", [10**9, 6]),
        ("net_filter_size", [20_000, 20_000]),
        ("net_filter_size", [10**30, 6]),
        ("kernel_size", 10**9 + 1),
        ("window_length", 10**12),
        ("pred_stage_hidd", 10**9),
        ("pred_stage_n_layer", 10**9),
        ("pretrain_output_size", 10**9),
        ("eval_transformer", True),
        ("s4d_features", 10**9),
        ("s4d_layers", 10**9),
        ("s4d_state", 10**9),
        ("hidden_size_rnn", 10**9),
        ("num_layers", 10**9),
        ("dim_model", 10**9),
        ("num_trans_layers", 10**9),
        ("mem_len", 10**12),
        ("dim_encoder", 10**9),
        ("dim_decoder", 10**9),
    ],
)
def test_a_network_that_is_far_larger_than_its_weights_is_refused_before_it_is_built(
    copy: Path, name: str, value: object
) -> None:
    values = json.loads((copy / "config.json").read_text())
    model = values["model"]
    in_stage = name in StageConfig.__dataclass_fields__
    if in_stage or name in ("eval_transformer", "pretrain_output_size"):
        kinds = {"hidden_size_rnn": "gru", "num_layers": "gru", "mem_len": "transformer_xl", "dim_encoder": "cpc"}
        kind = kinds.get(name, "mae" if name == "dim_decoder" else "transformer")
        kind = next((one for one in PRETRAIN_MODELS if one.replace("_", "") == kind.replace("_", "")), kind)
        model["patient"], model["stage"] = False, StageConfig(pretrain_model=kind).to_dict()
    (model["stage"] if in_stage else model)[name] = value
    if name == "eval_transformer":
        model["pretrain_output_size"] = 10**6
    if name.startswith("s4d"):
        model["model"] = "s4d"
    elif name.startswith("pred_stage"):
        model["pred_stage_type"] = "lstm"
    (copy / "config.json").write_text(json.dumps(values))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(RunFolderError, match=r"config\.json|model\.pth") as caught:
        files.load_model(copy)
    assert "\n" not in str(caught.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 600_000  # kB


def test_an_epoch_that_is_none_is_named(copy: Path) -> None:
    state = files.load_checkpoint(copy / "model.pth")
    for epoch in ("third", None, [1], float("nan")):
        torch.save(state | {"epoch": epoch}, copy / "model.pth")
        with pytest.raises(RunFolderError, match=r"model\.pth: epoch is .*; expected a number"):
            files.load_model(copy)


@pytest.mark.parametrize("read", [files.read_ids, files.read_history])
def test_tables_of_odd_bytes_giants_and_fifos_are_named(tmp_path: Path, read: Callable[[Path], object]) -> None:
    path = tmp_path / "table"
    for content in (b"\xff\xfe\x00", b"epoch,loss\n0,\xe9\n"):
        path.write_bytes(content)
        with pytest.raises(RunFolderError, match="table: cannot be read"):
            read(path)
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(RunFolderError, match=r"table: cannot be read .*more than"):
        read(path)
    path.unlink()
    if hasattr(os, "mkfifo"):
        os.mkfifo(path)
        with pytest.raises(RunFolderError, match=r"table: cannot be read .*a FIFO"):
            read(path)
