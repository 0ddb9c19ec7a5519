"""Where a configuration comes from: defaults, preset, the folder, what was asked for; and what may not change."""

import json
import shutil
from functools import partial
from pathlib import Path

import pytest

from ecg12.cache.reader import Store
from ecg12.ecg.errors import ConfigError, RunFolderError
from ecg12.ecg.models.config.model import ModelConfig
from ecg12.ecg.tasks.named import CHALLENGE_2020, named_task
from ecg12.pipeline.pretraining.configure import _of_folder
from ecg12.pipeline.runs import run_folder as files
from ecg12.pipeline.runs.presets import PRESETS, REFERENCE_MODEL, REFERENCE_TRAIN, preset_values
from ecg12.pipeline.runs.train_config import TrainConfig
from ecg12.pipeline.training.configure import _of_run, configure
from tests.conftest import TINY
from tests.pipeline.reference_folders import NETWORK, TRAINING, write_april, write_august

configured = partial(configure, task=named_task(CHALLENGE_2020))


@pytest.fixture(scope="module")
def store(simulated_store: Path) -> Store:
    return Store(simulated_store)


def test_without_anything_it_is_the_default(store: Store, tmp_path: Path) -> None:
    assert configured(tmp_path, store, {}, {}) == TrainConfig()


def test_a_preset_names_every_option_that_bears_on_numbers() -> None:
    """So that a new default of ours cannot change what the preset means."""
    free = {"residency", "check", "save_logits", "model", "folds", "fold", "leave_out"}
    assert set(REFERENCE_TRAIN) == set(TrainConfig.__dataclass_fields__) - free
    of_the_store = {"fs", "leads", "highpass", "notch", "stage"}
    of_other_networks = {name for name in ModelConfig.__dataclass_fields__ if name.startswith("s4d_")}
    assert set(REFERENCE_MODEL) == set(ModelConfig.__dataclass_fields__) - of_the_store - of_other_networks
    with pytest.raises(ConfigError, match="preset 'april' not known; expected reference"):
        preset_values("april")
    for train, model in PRESETS.values():
        TrainConfig.from_dict(dict(train) | {"model": dict(model)})


def test_options_go_before_the_preset_and_the_preset_before_the_folder(store: Store, tmp_path: Path) -> None:
    stored = TrainConfig(lr=0.5, epochs=7, batch_size=9)
    values = stored.to_dict()
    model = values.pop("model")
    files.write_json(tmp_path / "config.json", {"train": values, "model": model})
    assert configured(tmp_path, store, {}, {}) == stored
    config = configured(tmp_path, store, {"epochs": 3}, {"kernel_size": 5}, preset="reference")
    assert (config.lr, config.epochs, config.batch_size) == (1e-3, 3, 32)
    assert (config.model.kernel_size, config.model.normalisation) == (5, "none")


def test_a_configuration_of_the_reference_gives_defaults(store: Store, tmp_path: Path) -> None:
    values = TRAINING | NETWORK | {"dont_shuffle": True, "n_total": -1, "pred_stage_type": "LSTM"}
    (tmp_path / "config.json").write_text(json.dumps(values | {"scale_by_n_predictions": [3, 0]}))
    config = configured(tmp_path, store, {"epochs": 2}, {})
    assert (config.epochs, config.milestones, config.shuffle, config.n_total) == (2, (75,), False, None)
    assert (config.decision, config.scale_by_rank, config.optimizer) == ("rank", (3.0, 0.0), "adam")
    assert config.model.net_filter_size == (4, 6)
    assert (config.model.pred_stage_type, config.model.normalisation) == ("lstm", "none")


def test_one_of_april_gives_none(store: Store, tmp_path: Path) -> None:
    folder = write_april(tmp_path / "run")
    (folder / "model.pth").unlink()
    with pytest.raises(RunFolderError, match=r"of the April generation .* can be predicted with but not trained"):
        configured(folder, store, {}, {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"config\.json: cannot be read"),
        ("{}", r"config\.json: gives no defaults \('train'\); correct or remove it"),
        ('{"train": {"lrr": 1}, "model": {}}', "gives no defaults .TrainConfig: unknown lrr; expected seed, epochs"),
        ('{"train": {"lr": "high"}, "model": {}}', "TrainConfig: lr is 'high'; expected float"),
        ("[1]", r"config\.json: gives no defaults"),
    ],
)
def test_a_bad_configuration_is_named(text: str, message: str, store: Store, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(RunFolderError, match=message):
        configured(tmp_path, store, {}, {})


def test_unknown_options_are_named(run: Path, store: Store, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="TrainConfig: unknown epoch"):
        configured(tmp_path, store, {"epoch": 3}, {})
    with pytest.raises(ConfigError, match="unknown option epoch; expected seed"):
        configured(run, store, {"epoch": 3}, {})


def test_the_rule_of_a_run_may_change_for_a_test_alone(run: Path, store: Store) -> None:
    with pytest.raises(RunFolderError, match="combination_strategy mean there, max asked for"):
        configured(run, store, {"combination_strategy": "max"}, {})
    config = configured(run, store, {"combination_strategy": "max"}, {}, only_test=True)
    assert config.combination_strategy == "max"
    with pytest.raises(RunFolderError, match="seed 5 there, 6 asked for"):
        configured(run, store, {"seed": 6}, {}, only_test=True)


def test_a_damaged_last_state_is_named(run: Path, simulated_store: Path, tmp_path: Path) -> None:
    from ecg12.pipeline.training.train import train

    folder = Path(shutil.copytree(run, tmp_path / "copy"))
    state = files.load_checkpoint(folder / "last_state.pth")
    files.save_checkpoint(folder / "last_state.pth", {"model": state["model"]})
    with pytest.raises(RunFolderError, match=r"last_state\.pth: not the last state of this run \(KeyError"):
        train(simulated_store, folder=folder, options={"epochs": 4})
    (folder / "last_state.pth").write_bytes(b"x")
    with pytest.raises(RunFolderError, match=r"last_state\.pth: damaged or not a checkpoint"):
        train(simulated_store, folder=folder, options={"epochs": 4})


def test_a_stages_folder_brings_its_configuration(store: Store, tmp_path: Path) -> None:
    folder = write_august(tmp_path / "run", stage="GRU")
    (folder / "model.pth").unlink()
    (folder / "config.json").unlink()
    config = configured(folder, store, {}, dict(TINY))
    assert config.model.stage is not None
    assert config.model.stage.pretrain_model == "gru"
    assert config.model.normalisation == "none"
    assert configured(folder, store, {}, {"normalisation": "record"}).model.normalisation == "record"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"optimizer": "sgd"}, "optimizer is 'sgd'; expected adamw, adam"),
        ({"schedule": "flat"}, "schedule is 'flat'; expected one_cycle, steps"),
        ({"milestones": [3, 2]}, r"milestones are \(3, 2\); expected epochs of 0 or more, ascending"),
        ({"weight_decay": -1.0}, r"weight_decay is -1\.0; expected 0 or more"),
        ({"lr_factor": 0.0}, r"lr_factor is 0\.0; expected a positive number"),
        ({"n_total": 0}, "n_total is 0; expected at least 1"),
        ({"max_windows_per_record": 0}, "max_windows_per_record is 0; expected at least 1"),
        ({"train_classes": "all"}, "train_classes is 'all'; expected scored, dset"),
        ({"valid_classes": "all"}, "valid_classes is 'all'; expected scored, dset"),
        ({"correction_factor": "none"}, "correction_factor is 'none'; expected uniform, train"),
        ({"correction_limits": [3.0, 1.0]}, r"correction_limits are \(3\.0, 1\.0\); expected the smallest"),
        ({"scale_by_rank": []}, r"scale_by_rank is \(\); expected at least one factor of 0 or more"),
        ({"decision": "vote"}, "decision is 'vote'; expected thresholds, rank"),
        ({"combination_strategy": "sum"}, "combination_strategy is 'sum'; expected mean, max, last"),
        ({"predict_before_collapse": True}, "predict_before_collapse is set, but decision is 'thresholds'"),
    ],
)
def test_values_out_of_range_are_named(values: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainConfig.from_dict(values)


@pytest.mark.parametrize("text", ["null", "[]", "1", '"x"', "{}", '{"train": [], "model": {}}'])
def test_a_configuration_that_is_none_is_told(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(RunFolderError, match=r"config\.json: no configuration of a run in it; expected the JSON"):
        _of_run(tmp_path, None, {}, {}, frozenset(), only_test=False)


@pytest.mark.parametrize("text", ["null", "[]", "1", '"x"'])
def test_a_pretrainings_configuration_that_is_none_is_told(tmp_path, text):
    (tmp_path / "pretrain_config.json").write_text(text)
    with pytest.raises(RunFolderError, match=r"pretrain_config\.json: no configuration of a run in it; expected"):
        _of_folder(tmp_path, None, {})
