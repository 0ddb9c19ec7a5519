"""Training: the run folder, resuming with the same numbers, thresholds fitted on others, clear refusals."""

import hashlib
import json
import math
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from ecg12.cache.reader import Store
from ecg12.cache.schema import StoreConfig
from ecg12.ecg.errors import ChecksumError, ConfigError, RunFolderError, StoreError, TrainingError
from ecg12.ecg.scores.challenge_metric import compute_challenge_metric
from ecg12.ecg.tasks.named import CHALLENGE_2020, named_task
from ecg12.pipeline.ingest.build_cache import build_cache
from ecg12.pipeline.runs import run_folder as files
from ecg12.pipeline.runs.train_config import TrainConfig
from ecg12.pipeline.training import epoch as epoch_module
from ecg12.pipeline.training.optimise import compute_learning_rate
from ecg12.pipeline.training.train import train
from ecg12.pipeline.training.validation import decide_across_halves
from tests.conftest import TINY
from tests.pipeline.interrupted import Interrupted
from tests.records import write_record

CHALLENGE = named_task(CHALLENGE_2020)

OPTIONS = {"epochs": 3, "seed": 5}


def weights(path: Path) -> dict[str, torch.Tensor]:
    return files.load_checkpoint(path)["model"]


def history_without_times(folder: Path) -> list[dict]:
    rows = files.read_history(folder / files.HISTORY)
    return [{k: v for k, v in row.items() if k not in ("seconds", "windows_per_second", "waiting")} for row in rows]


def test_the_run_folder_has_every_file(run: Path, simulated_store: Path) -> None:
    names = {path.name for path in run.iterdir()}
    assert names == {
        *("config.json", "model.pth", "final_model.pth", "last_state.pth", "history.csv", "train_ids.txt"),
        *("valid_ids.txt", "out_layer.txt", "classes.json", "thresholds.json", "environment.json"),
        "correction_factor.txt",
    }
    store = Store(simulated_store)
    train_ids, valid_ids = files.read_ids(run / "train_ids.txt"), files.read_ids(run / "valid_ids.txt")
    assert not set(train_ids) & set(valid_ids)
    groups = dict(zip(store.names, store.column("record/group"), strict=True))
    assert not {groups[name] for name in train_ids} & {groups[name] for name in valid_ids}
    annotated = set(store.names[store.column("label/annotated")])
    assert set(train_ids) | set(valid_ids) == annotated
    environment = json.loads((run / "environment.json").read_text())
    assert environment["store_digest"] == store.attributes["digest"]
    assert environment["packages"]["torch"].startswith(torch.__version__.split("+")[0])


def test_the_output_layer_is_written_as_the_reference_writes_it(run: Path) -> None:
    lines = (run / "out_layer.txt").read_text().splitlines()
    assert lines[0] == "sigmoid"
    assert lines[1] == "/".join(["0->1"] * 24)
    targets = {code: int(target) for code, target, _ in (line.split(",") for line in lines[2:])}
    assert len(targets) == 27
    assert targets["59118001"] == targets["713427006"]
    assert set(targets.values()) == set(range(24))


def test_history_has_a_row_an_epoch(run: Path) -> None:
    rows = files.read_history(run / "history.csv")
    assert [row["epoch"] for row in rows] == [0, 1, 2]
    assert all(math.isfinite(value) for row in rows for value in row.values())
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]
    best = files.load_checkpoint(run / "model.pth")["epoch"]
    assert rows[best]["challenge_metric"] == max(row["challenge_metric"] for row in rows)
    assert files.load_checkpoint(run / "final_model.pth")["epoch"] == 2


def test_same_seed_same_numbers(run: Path, simulated_store: Path, tmp_path: Path) -> None:
    train(simulated_store, folder=tmp_path / "again", options=OPTIONS, model_options=TINY)
    assert history_without_times(tmp_path / "again") == history_without_times(run)
    for name, value in weights(run / "final_model.pth").items():
        assert torch.equal(value, weights(tmp_path / "again" / "final_model.pth")[name])


@pytest.mark.parametrize("at", [2, 3])
def test_a_stopped_run_goes_on_to_the_same_numbers(run: Path, simulated_store: Path, tmp_path: Path, at: int) -> None:
    folder = tmp_path / "stopped"
    summary = train(simulated_store, folder=folder, options=OPTIONS, model_options=TINY, progress=Interrupted(at))
    assert summary.interrupted
    assert len(summary.history) == at - 1
    summary = train(simulated_store, folder=folder)
    assert not summary.interrupted
    assert history_without_times(folder) == history_without_times(run)
    for name, value in weights(run / "final_model.pth").items():
        assert torch.equal(value, weights(folder / "final_model.pth")[name])
    assert (folder / "thresholds.json").read_text() == (run / "thresholds.json").read_text()


def test_stopped_before_the_first_epoch(simulated_store: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="stopped before the first epoch was over; start again"):
        train(simulated_store, folder=tmp_path / "r", options=OPTIONS, model_options=TINY, progress=Interrupted(1))


def test_more_epochs_may_be_asked_for_later(run: Path, simulated_store: Path, tmp_path: Path) -> None:
    folder = tmp_path / "longer"
    shutil.copytree(run, folder)
    summary = train(simulated_store, folder=folder, options={"epochs": 4})
    assert len(summary.history) == 4


def test_a_run_is_not_continued_otherwise(run: Path, simulated_store: Path, tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"lr 0\.002 there, 0\.5 asked for; model\.kernel_size 17 there, 5 asked"):
        train(simulated_store, folder=run, options={"lr": 0.5}, model_options={"kernel_size": 5})
    other = tmp_path / "other.zarr"
    write_record(tmp_path / "in", "A0001")
    write_record(tmp_path / "in", "A0002")
    build_cache([tmp_path / "in"], other, StoreConfig())
    with pytest.raises(RunFolderError, match="was trained on another store than"):
        train(other, folder=run)


def test_a_run_keeps_the_residency_it_began_with(run: Path, simulated_store: Path, tmp_path: Path) -> None:
    assert json.loads((run / "config.json").read_text())["train"]["residency"] == "memory"
    folder = tmp_path / "streamed"
    options = {"epochs": 1, "residency": "stream"}
    assert train(simulated_store, folder=folder, options=options, model_options=TINY).residency == "stream"
    with pytest.raises(RunFolderError, match="residency stream there, memory asked for"):
        train(simulated_store, folder=folder, options={"residency": "memory"})
    summary = train(simulated_store, folder=folder, options={"epochs": 2, "residency": "auto", "check": False})
    assert (summary.residency, len(summary.history)) == ("stream", 2)
    assert json.loads((folder / "config.json").read_text())["train"]["check"] is False


def test_waiting_is_recorded_and_shown(simulated_store: Path, tmp_path: Path) -> None:
    shown = []

    class Recorder(Interrupted):
        def advance(self, n: int = 1, **figures: float) -> None:
            shown.append(figures["waiting"])

    summary = train(
        simulated_store, folder=tmp_path / "r", options={"epochs": 1}, model_options=TINY, progress=Recorder(0)
    )
    assert 0 < summary.history[0]["waiting"] < 1
    assert re.fullmatch(r"\d+\.\d%", shown[-1])


def test_a_damaged_chunk_stops_the_training_by_name(simulated_store: Path, tmp_path: Path) -> None:
    store = Path(shutil.copytree(simulated_store, tmp_path / "s.zarr"))
    chunk = store / "signal" / "c" / "0" / "0"
    data = bytearray(chunk.read_bytes())
    data[1000] ^= 255
    chunk.write_bytes(data)
    for residency in ("stream", "memory", "device"):
        with pytest.raises(ChecksumError, match=r"signal chunk 0: damaged \(its crc32c .*\); run verify"):
            train(store, folder=tmp_path / residency, options={"residency": residency}, model_options=TINY)


def test_ids_in_the_folder_fix_the_split(simulated_store: Path, tmp_path: Path) -> None:
    store = Store(simulated_store)
    names = store.names[store.column("label/annotated")].tolist()
    folder = tmp_path / "fixed"
    folder.mkdir()
    files.write_ids(folder / "train_ids.txt", names[:20])
    files.write_ids(folder / "valid_ids.txt", names[20:30])
    summary = train(simulated_store, folder=folder, options={"epochs": 1}, model_options=TINY)
    assert (summary.n_train, summary.n_valid) == (20, 10)
    assert files.read_ids(folder / "train_ids.txt") == names[:20]
    files.write_ids(folder / "valid_ids.txt", ["nobody"])
    (folder / "last_state.pth").unlink()
    (folder / "model.pth").unlink()
    with pytest.raises(StoreError, match="no record called 'nobody'"):
        train(simulated_store, folder=folder, options={"epochs": 1}, model_options=TINY)


def test_without_validation_the_last_weights_are_the_model(simulated_store: Path, tmp_path: Path) -> None:
    folder = tmp_path / "all"
    summary = train(simulated_store, folder=folder, options={"epochs": 2, "valid_split": 0.0}, model_options=TINY)
    assert summary.n_valid == 0
    assert math.isnan(summary.history[-1]["challenge_metric"])
    assert files.load_checkpoint(folder / "model.pth")["epoch"] == 1
    assert set(json.loads((folder / "thresholds.json").read_text()).values()) == {0.5}


def test_a_dated_folder_is_made_by_default(
    simulated_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    summary = train(simulated_store, options={"epochs": 1}, model_options=TINY)
    assert summary.folder.parent == tmp_path
    assert len(summary.folder.name) == len("output_2020-02-03_11_39_16_000000")
    assert files.newest_run_folder(tmp_path) == summary.folder


def test_a_folder_with_a_model_but_no_state_is_left_alone(simulated_store: Path, tmp_path: Path) -> None:
    (tmp_path / "model.pth").write_bytes(b"precious")
    with pytest.raises(RunFolderError, match=r"holds a model but no last_state\.pth; choose another --folder"):
        train(simulated_store, folder=tmp_path)
    assert (tmp_path / "model.pth").read_bytes() == b"precious"


def test_a_loss_that_is_no_number_names_the_records_and_keeps_the_last_epoch(
    simulated_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "nan"
    options = {"epochs": 2, "seed": 5}
    train(simulated_store, folder=folder, options={"epochs": 1, "seed": 5}, model_options=TINY)
    before = (folder / "last_state.pth").read_bytes()
    real = epoch_module.to_input
    monkeypatch.setattr(epoch_module, "to_input", lambda *args: real(*args) * math.nan)
    with pytest.raises(TrainingError, match=r"epoch 2: the loss is nan on records .*[AEHIQS]\w*\d+.*smaller --lr"):
        train(simulated_store, folder=folder, options=options, model_options=TINY)
    assert (folder / "last_state.pth").read_bytes() == before


def test_a_store_without_labels_is_refused(tmp_path: Path) -> None:
    for number in range(3):
        write_record(tmp_path / "in", f"A000{number}", dx="")
    build_cache([tmp_path / "in"], tmp_path / "ecg.zarr", StoreConfig())
    with pytest.raises(ConfigError, match="none of its 3 records has a label of task challenge2020; expected labelled"):
        train(tmp_path / "ecg.zarr", folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_model_for_another_rate_is_refused(simulated_store: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="12 leads at 400 Hz; the model expects 12 at 500 Hz"):
        train(simulated_store, folder=tmp_path / "run", model_options={"fs": 500.0})


def test_cuda_without_a_gpu_is_an_error(simulated_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=r"--cuda: no usable GPU found .*; leave --cuda out to run on the CPU"):
        train(simulated_store, folder=tmp_path / "run", cuda=True)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_training_runs_on_the_gpu(simulated_store: Path, tmp_path: Path) -> None:
    summary = train(simulated_store, folder=tmp_path / "run", options={"epochs": 1}, model_options=TINY, cuda=True)
    assert math.isfinite(summary.history[0]["train_loss"])


def test_thresholds_of_a_half_never_see_it() -> None:
    rng = np.random.default_rng(3)
    truth = rng.random((60, 24)) < 0.2
    scores = np.where(truth, 0.3, 0.1) + rng.random((60, 24)) * 0.15
    groups = np.array([f"g{i}" for i in range(60)], object)
    binary = decide_across_halves(CHALLENGE, truth, scores, groups)
    assert compute_challenge_metric(truth, binary) > compute_challenge_metric(truth, scores > 0.5)
    # turning one half's labels round changes nothing in that half's decisions
    first = np.array([hashlib.sha256(group.encode()).digest()[0] % 2 for group in groups], bool)
    turned = np.where(first[:, None], ~truth, truth)
    np.testing.assert_array_equal(decide_across_halves(CHALLENGE, turned, scores, groups)[first], binary[first])


def test_the_learning_rate_rises_for_a_tenth_and_falls_to_zero() -> None:
    rates = [compute_learning_rate(step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == 1.0
    assert rates[9:] == sorted(rates[9:], reverse=True)
    assert rates[-1] < 1e-3
    assert compute_learning_rate(0, 1) == 1.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs is 0; expected at least 1"),
        ({"batch_size": 0}, "batch_size is 0; expected at least 1"),
        ({"seed": -1}, "seed is -1; expected 0 or more"),
        ({"lr": 0.0}, r"lr is 0\.0; expected a positive number"),
        ({"lr": math.nan}, "lr is nan; expected a positive number"),
        ({"valid_split": 1.5}, r"valid_split is 1\.5; expected 0 to 1"),
        ({"residency": "ram"}, "residency is 'ram'; expected auto, stream, memory, device"),
        ({"epoch": 3}, "TrainConfig: unknown epoch; expected seed, epochs"),
    ],
)
def test_bad_options_are_named(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainConfig.from_dict(options)


def test_the_configuration_survives_json() -> None:
    config = TrainConfig.from_dict({"lr": 0.1, "model": {"net_filter_size": [8], "net_seq_length": [16]}})
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
