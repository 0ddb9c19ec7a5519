"""Pretraining: every net on every record, the folder it leaves, going on with the same numbers, clear refusals."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from ecg12.cache.reader import Store
from ecg12.cache.schema import StoreConfig
from ecg12.ecg.errors import ChecksumError, ConfigError, RunFolderError, StoreError, TrainingError
from ecg12.ecg.models.config.stage import PRETRAIN_MODELS
from ecg12.ecg.models.stages import build_stage, transfer
from ecg12.pipeline.ingest.build_cache import build_cache
from ecg12.pipeline.pretraining import step as pretrain_step
from ecg12.pipeline.pretraining.pretrain import pretrain
from ecg12.pipeline.runs import run_folder as files
from ecg12.pipeline.runs.reference_folder import load_pretrained_net
from tests.pipeline.interrupted import Interrupted
from tests.records import write_record

TINY = {"window_length": 512, "batch_size": 16, "n_total": 24, "seed": 5, "max_windows_per_record": 2}
NETS = {
    **{name: {"hidden_size_rnn": 6, "k_steps_ahead": (4, 9)} for name in ("rnn", "lstm", "gru")},
    "transformer": {"dim_model": 8, "dim_inner": 12, "num_heads": 2, "num_trans_layers": 1},
    "transformerxl": {"dim_model": 8, "dim_inner": 12, "num_heads": 2, "num_trans_layers": 1, "mem_len": 8},
    "cpc": {"dim_encoder": 4, "dim_context": 6, "context_layers": 1, "cpc_steps": 3, "negatives": 8},
    "mae": {"dim_model": 8, "dim_inner": 12, "num_heads": 2, "num_trans_layers": 1, "dim_decoder": 4},
}
NETS["masking"] = NETS["transformer"] | {"trans_train_type": "masking"}
GOES_ON = ("masking", "transformerxl", "cpc")
"""With dropout, masks, a memory, negatives, and a schedule of its own."""


def options_of(model: str, **others) -> dict:
    name = "transformer" if model == "masking" else model
    return TINY | {"pretrain_model": name, "epochs": 2} | NETS[model] | others


def signal(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 300, (12, 3000)).astype(np.int16)


def weights(path: Path) -> dict[str, torch.Tensor]:
    return files.load_checkpoint(path)["model"]


def numbers(folder: Path) -> list[dict]:
    rows = files.read_history(folder / "pretrain_history.csv")
    return [{k: v for k, v in row.items() if k not in ("seconds", "windows_per_second", "waiting")} for row in rows]


@pytest.fixture(scope="module")
def folders(simulated_store: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A pretraining of two epochs of every net; tests only read them."""
    parent = tmp_path_factory.mktemp("pretrained")
    for model in NETS:
        pretrain(simulated_store, folder=parent / model, options=options_of(model))
    return {model: parent / model for model in NETS}


@pytest.mark.parametrize("model", NETS)
def test_every_net_leaves_the_references_files_and_can_be_taken_from_there(folders, model) -> None:
    folder = folders[model]
    assert {path.name for path in folder.iterdir()} == {
        *("pretrain_config.json", "pretrain_model.pth", "pretrain_final_model.pth", "pretrain_history.csv"),
        *("pretrain_train_ids.txt", "pretrain_valid_ids.txt", "pretrain_last_state.pth", "pretrain_environment.json"),
    }
    rows = files.read_history(folder / "pretrain_history.csv")
    assert [row["epoch"] for row in rows] == [0, 1]
    assert all(math.isfinite(value) for row in rows for value in row.values())
    best = files.load_checkpoint(folder / "pretrain_model.pth")
    assert set(best) == {"epoch", "model", "optimizer"}
    assert rows[best["epoch"]]["valid_loss"] == min(row["valid_loss"] for row in rows)
    assert set(files.load_checkpoint(folder / "pretrain_final_model.pth")) == {"model", "optimizer"}
    config, net = load_pretrained_net(folder)
    stage = build_stage(config, 12, None)
    transfer(net.state_dict(), stage)
    assert stage.eval()(torch.zeros(2, 12, 512)).shape[:2] == (2, stage.n_features)


def test_every_model_is_tried() -> None:
    assert set(PRETRAIN_MODELS) == set(NETS) - {"masking"}


def test_the_configuration_is_the_references(folders, shared: Path) -> None:
    ours = json.loads((folders["transformer"] / "pretrain_config.json").read_text())
    theirs = json.loads(
        (shared / "fixtures" / "reference_models" / "flipping_resnet" / "pretrain_config.json").read_text()
    )
    assert set(theirs) - set(ours) == {"init_std"}
    assert {type(ours[name]) for name in theirs if name in ours} <= {int, float, str, list}


def test_unlabelled_records_are_learned_from(tmp_path: Path) -> None:
    for number in range(6):
        write_record(tmp_path / "in", f"A000{number}", signal(number), dx="")
    build_cache([tmp_path / "in"], tmp_path / "ecg.zarr", StoreConfig())
    assert not Store(tmp_path / "ecg.zarr").column("label/annotated").any()
    options = options_of("lstm", epochs=1, n_total=None)
    summary = pretrain(tmp_path / "ecg.zarr", folder=tmp_path / "run", options=options)
    assert (summary.n_train, summary.n_valid) == (4, 2)


def test_the_split_is_by_groups_and_takes_every_record(simulated_store: Path, tmp_path: Path) -> None:
    store = Store(simulated_store)
    summary = pretrain(simulated_store, folder=tmp_path / "r", options=options_of("rnn", epochs=1, n_total=None))
    train, valid = (files.read_ids(tmp_path / "r" / f"pretrain_{name}_ids.txt") for name in ("train", "valid"))
    assert (summary.n_train, summary.n_valid) == (len(train), len(valid))
    assert sorted(train + valid) == sorted(store.ids)
    groups = dict(zip(store.ids, store.column("record/group"), strict=True))
    assert not {groups[name] for name in train} & {groups[name] for name in valid}


def test_ids_in_the_folder_fix_the_split(simulated_store: Path, tmp_path: Path) -> None:
    ids, folder = Store(simulated_store).ids, tmp_path / "fixed"
    folder.mkdir()
    files.write_ids(folder / "pretrain_train_ids.txt", list(ids[:10]))
    with pytest.raises(RunFolderError, match=r"pretrain_train_ids\.txt stands alone; expected both id files or none"):
        pretrain(simulated_store, folder=folder, options=options_of("rnn"))
    files.write_ids(folder / "pretrain_valid_ids.txt", ["nobody"])
    with pytest.raises(StoreError, match="no record called 'nobody'"):
        pretrain(simulated_store, folder=folder, options=options_of("rnn"))
    files.write_ids(folder / "pretrain_valid_ids.txt", list(ids[10:14]))
    summary = pretrain(simulated_store, folder=folder, options=options_of("rnn", epochs=1))
    assert (summary.n_train, summary.n_valid) == (10, 4)
    assert files.read_ids(folder / "pretrain_train_ids.txt") == list(ids[:10])


@pytest.mark.parametrize("model", GOES_ON)
def test_same_seed_same_numbers(folders, simulated_store: Path, tmp_path: Path, model: str) -> None:
    pretrain(simulated_store, folder=tmp_path / "again", options=options_of(model))
    assert numbers(tmp_path / "again") == numbers(folders[model])
    for name, value in weights(folders[model] / "pretrain_final_model.pth").items():
        assert torch.equal(value, weights(tmp_path / "again" / "pretrain_final_model.pth")[name])


@pytest.mark.parametrize("model", GOES_ON)
def test_a_stopped_pretraining_goes_on_to_the_same_numbers(
    folders, simulated_store: Path, tmp_path: Path, model: str
) -> None:
    folder = tmp_path / "stopped"
    summary = pretrain(simulated_store, folder=folder, options=options_of(model), progress=Interrupted(2))
    assert summary.interrupted
    assert len(summary.history) == 1
    assert not pretrain(simulated_store, folder=folder).interrupted
    assert numbers(folder) == numbers(folders[model])
    for kind in ("pretrain_final_model.pth", "pretrain_model.pth"):
        for name, value in weights(folders[model] / kind).items():
            assert torch.equal(value, weights(folder / kind)[name])


def test_stopped_before_the_first_epoch(simulated_store: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="stopped before the first epoch was over; start again"):
        pretrain(simulated_store, folder=tmp_path / "r", options=options_of("rnn"), progress=Interrupted(1))


def test_a_pretraining_is_not_continued_otherwise(folders, simulated_store: Path, tmp_path: Path) -> None:
    folder = folders["mae"]
    with pytest.raises(RunFolderError, match=r"lr 0\.001 there, 0\.5 asked for; seq_length 512 there, 256 asked for"):
        pretrain(simulated_store, folder=folder, options={"lr": 0.5, "window_length": 256})
    with pytest.raises(RunFolderError, match=r"cannot be continued \(unknown option colour; expected pretrain_model"):
        pretrain(simulated_store, folder=folder, options={"colour": "red"})
    for name in ("A0001", "A0002"):
        write_record(tmp_path / "in", name)
    build_cache([tmp_path / "in"], tmp_path / "other.zarr", StoreConfig())
    with pytest.raises(RunFolderError, match="was pretrained on another store than"):
        pretrain(tmp_path / "other.zarr", folder=folder)


def test_more_epochs_may_be_asked_for_later(folders, simulated_store: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(folders["lstm"], tmp_path / "longer"))
    summary = pretrain(simulated_store, folder=folder, options={"epochs": 3, "residency": "auto", "n_total": 24})
    assert len(summary.history) == 3


def test_a_pretraining_that_left_no_state_is_left_alone(folders, simulated_store: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(folders["lstm"], tmp_path / "stateless"))
    (folder / "pretrain_last_state.pth").unlink()
    with pytest.raises(RunFolderError, match=r"holds a pretrain_config\.json but no pretrain_last_state\.pth; choose"):
        pretrain(simulated_store, folder=folder)


def test_a_classifiers_folder_is_left_alone(simulated_store: Path, tmp_path: Path) -> None:
    (tmp_path / "model.pth").write_bytes(b"precious")
    with pytest.raises(RunFolderError, match="holds a classifier, which no pretraining came before; choose another"):
        pretrain(simulated_store, folder=tmp_path, options=options_of("rnn"))
    assert [path.name for path in tmp_path.iterdir()] == ["model.pth"]


def test_the_memory_is_that_of_the_record_and_of_no_other(simulated_store: Path, tmp_path: Path, monkeypatch) -> None:
    """Rows reset where records begin, so a memory that poisons everything else changes nothing there."""
    seen = []
    real = pretrain_step.PretrainStep.compute_loss

    def watch(step, windows):
        seen.append((windows.reset.clone(), None if step.memory is None else step.memory[0].shape[1]))
        return real(step, windows)

    monkeypatch.setattr(pretrain_step.PretrainStep, "compute_loss", watch)
    options = options_of("transformerxl", epochs=1, batch_size=4)
    pretrain(simulated_store, folder=tmp_path / "r", options=options)
    assert seen[0][0].all()
    assert seen[0][1] is None
    assert any(not reset.all() for reset, _ in seen)
    assert {rows for _, rows in seen[1:]} == {4}


def test_without_validation_the_last_weights_are_the_model(simulated_store: Path, tmp_path: Path) -> None:
    folder = tmp_path / "all"
    summary = pretrain(simulated_store, folder=folder, options=options_of("gru", valid_split=0.0))
    assert summary.n_valid == 0
    assert math.isnan(summary.history[-1]["valid_loss"])
    assert files.load_checkpoint(folder / "pretrain_model.pth")["epoch"] == 1


def test_noise_is_added_to_the_input_and_not_to_the_target(simulated_store: Path, tmp_path: Path, monkeypatch) -> None:
    seen = []
    real = pretrain_step.PretrainStep.prepare
    monkeypatch.setattr(
        pretrain_step.PretrainStep, "prepare", lambda step, batch: seen.append(real(step, batch)) or seen[-1]
    )
    options = options_of("lstm", epochs=1, train_noise_std=0.25)
    pretrain(simulated_store, folder=tmp_path / "r", options=options)
    noise = torch.cat([(windows.given - windows.wanted).flatten() for windows in seen])
    assert noise.std().item() == pytest.approx(0.25, rel=0.02)


def test_several_stores_are_one(simulated_store: Path, tmp_path: Path) -> None:
    for number, name in enumerate(("A9001", "A9002", "A9003")):
        write_record(tmp_path / "in", name, signal(number))
    build_cache([tmp_path / "in"], tmp_path / "other.zarr", StoreConfig())
    options = options_of("rnn", epochs=1, n_total=None)
    summary = pretrain([tmp_path / "other.zarr", simulated_store], folder=tmp_path / "r", options=options)
    assert summary.n_train + summary.n_valid == Store(simulated_store).n_records + 3


def test_a_loss_that_is_no_number_stops_it_and_names_records(
    simulated_store: Path, tmp_path: Path, monkeypatch
) -> None:
    real = pretrain_step.to_input
    monkeypatch.setattr(pretrain_step, "to_input", lambda *args: real(*args) * math.nan)
    with pytest.raises(TrainingError, match=r"epoch 1: the loss is nan on records .*smaller --lr"):
        pretrain(simulated_store, folder=tmp_path / "r", options=options_of("lstm"))


def test_a_damaged_chunk_stops_it_by_name(simulated_store: Path, tmp_path: Path) -> None:
    store = Path(shutil.copytree(simulated_store, tmp_path / "s.zarr"))
    chunk = store / "signal" / "c" / "0" / "0"
    data = bytearray(chunk.read_bytes())
    data[1000] ^= 255
    chunk.write_bytes(data)
    with pytest.raises(ChecksumError, match=r"signal chunk 0: damaged"):
        pretrain(store, folder=tmp_path / "r", options=options_of("lstm", n_total=None))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window_length": 100}, "window of 100 samples in tokens of 8; expected a whole number of tokens"),
        ({"pretrain_model": "lstm", "k_steps_ahead": (600,)}, "windows of 512 samples and k_steps_ahead up to 600"),
        ({"pretrain_model": "mae", "mem_len": 5}, "mem_len means nothing to pretrain_model mae; it is an option of tr"),
        ({"mask": "input"}, "mask means nothing to trans_train_type flipping; it is an option of masking"),
        ({"pretrain_model": "cpc", "patch_length": 5}, "patch_length means nothing to pretrain_model cpc"),
        ({"pretrain_model": "bert"}, "pretrain_model is 'bert'; expected rnn, lstm"),
        ({"colour": "red"}, "PretrainConfig: unknown colour; expected seed"),
        ({"epochs": 0}, "epochs is 0; expected at least 1"),
        ({"seed": -1}, "seed is -1; expected 0 or more"),
        ({"lr": 0.0}, r"lr is 0\.0; expected a positive number"),
        ({"clip_value": -1.0}, r"clip_value is -1\.0; expected a positive number"),
        ({"train_noise_std": -1.0}, r"train_noise_std is -1\.0; expected 0 or more"),
        ({"valid_split": 1.0}, r"valid_split is 1\.0; expected 0 or more and below 1"),
        ({"milestones": (3, 2)}, r"milestones are \(3, 2\); expected epochs of 0 or more, ascending"),
        ({"schedule": "cosine"}, "schedule is 'cosine'; expected one_cycle or steps"),
        ({"optimizer": "sgd"}, "optimizer is 'sgd'; expected adamw or adam"),
        ({"normalisation": "lead"}, "normalisation is 'lead'; expected record or none"),
        ({"residency": "disk"}, "residency is 'disk'; expected auto, stream, memory, device"),
    ],
)
def test_bad_options_are_named_before_anything_is_written(simulated_store: Path, tmp_path: Path, options, message):
    if options.get("window_length") == 100:
        options = options | {"steps_concat": 8}
    folder = tmp_path / "r"
    with pytest.raises(ConfigError, match=message):
        pretrain(simulated_store, folder=folder, options={"window_length": 512} | options)
    assert not folder.exists()


def test_the_validation_loss_depends_on_nothing_but_weights_and_records(folders, simulated_store: Path) -> None:
    """The same masks each time, and a mean over samples, not over batches."""
    from ecg12.ecg.models.pretraining_objectives import make_objective
    from ecg12.ecg.signals.window import WindowConfig
    from ecg12.pipeline.loading.window_batches import WindowBatches
    from ecg12.pipeline.runs.pretrain_config import PretrainConfig

    stored = json.loads((folders["lstm"] / "pretrain_config.json").read_text())
    stored.pop("store_digest")
    config = PretrainConfig.from_flat(stored)
    _, net = load_pretrained_net(folders["lstm"])
    store, cpu = Store(simulated_store), torch.device("cpu")
    objective = make_objective(config.stage, config.objective, n_leads=12, window_length=512)
    losses = [
        pretrain_step.compute_valid_loss(
            net,
            objective,
            WindowBatches(store, np.arange(9), WindowConfig(window_length=512), batch_size=n),
            config,
            cpu,
        )
        for n in (3, 4, 64)
    ]
    assert losses[1:] == pytest.approx(losses[:1] * 2, rel=1e-5)


def test_half_precision_is_about_the_same(folders, simulated_store: Path, tmp_path: Path) -> None:
    for model in ("masking", "transformerxl", "cpc"):
        folder = tmp_path / model
        pretrain(simulated_store, folder=folder, options=options_of(model, precision="bf16"))
        for half, full in zip(numbers(folder), numbers(folders[model]), strict=True):
            assert half["valid_loss"] != full["valid_loss"]
            assert half["valid_loss"] == pytest.approx(full["valid_loss"], rel=0.02)
        assert {values.dtype for values in weights(folder / "pretrain_model.pth").values()} == {torch.float32}
    with pytest.raises(ConfigError, match="precision is 'fp16' on the CPU; expected fp32 or bf16, or --cuda with it"):
        pretrain(simulated_store, folder=tmp_path / "r", options=options_of("lstm", precision="fp16"))


def test_a_net_is_compiled_where_that_is_asked_for(simulated_store: Path, tmp_path: Path, monkeypatch) -> None:
    compiled = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda net: compiled.append(type(net).__name__))
    for choice in (True, False):
        folder = tmp_path / str(choice)
        pretrain(simulated_store, folder=folder, options=options_of("lstm", epochs=1, compile=choice))
    assert compiled == ["RnnStage"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_in_fp16(simulated_store: Path, tmp_path: Path) -> None:
    for model in NETS:
        options = options_of(model, precision="fp16", epochs=3)
        pretrain(simulated_store, folder=tmp_path / model, options=options | {"epochs": 2}, cuda=True)
        summary = pretrain(simulated_store, folder=tmp_path / model, options={"epochs": 3}, cuda=True)
        assert all(math.isfinite(row["valid_loss"]) for row in summary.history)
