"""The configuration of a pretraining: the flat file goes round, the reference's is read, nets have their defaults."""

import json
from pathlib import Path

import pytest

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.models.config.objective import ObjectiveConfig
from ecg12.ecg.models.config.stage import StageConfig
from ecg12.pipeline.runs.pretrain_config import DEFAULTS_OF, OPTIONS, PretrainConfig


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"pretrain_model": "cpc", "encoder_strides": (2, 2), "negatives": 6, "n_total": 40, "leads": ("I", "II")},
        {"pretrain_model": "mae", "epochs": 3, "milestones": (), "fs": 250.0, "highpass": 0.5},
    ],
)
def test_the_file_goes_round(values) -> None:
    config = PretrainConfig.from_flat(values)
    stored = json.loads(json.dumps(config.to_file()))
    assert PretrainConfig.from_flat(stored) == config
    assert "window_length" not in stored
    assert stored["seq_length"] == 4096


def test_defaults_are_the_references() -> None:
    config = PretrainConfig()
    assert (config.seed, config.epochs, config.batch_size, config.valid_split) == (2, 125, 32, 0.3)
    assert (config.lr, config.milestones, config.lr_factor, config.clip_value) == (1e-3, (40, 75, 100), 0.1, 1.0)
    assert (config.optimizer, config.schedule, config.train_noise_std) == ("adam", "steps", 0.0)
    assert (config.stage, config.stage.mem_len) == (StageConfig(), 100)
    assert (config.objective.num_masked_samples, config.objective.perc_masked_samp) == (8, 0.15)


@pytest.mark.parametrize("model", DEFAULTS_OF)
def test_a_net_has_its_own_defaults_and_options_override_them(model) -> None:
    flat = PretrainConfig.from_flat({"pretrain_model": model}).to_dict()
    everything = flat | flat["stage"]
    assert DEFAULTS_OF[model].items() <= everything.items()
    assert PretrainConfig.from_flat({"pretrain_model": model, "epochs": 7}).epochs == 7


def test_every_option_has_one_place() -> None:
    names = [name for kind in (StageConfig, ObjectiveConfig, PretrainConfig) for name in kind.__dataclass_fields__]
    assert len(names) == len(set(names))
    assert set(OPTIONS) == set(names) - {"stage", "objective", "fs", "leads", "highpass", "notch"}


def test_the_references_file_gives_a_stage(shared: Path) -> None:
    stored = json.loads(
        (shared / "fixtures" / "reference_models" / "flipping_resnet" / "pretrain_config.json").read_text()
    )
    with pytest.raises(ConfigError, match="unknown init_std"):
        PretrainConfig.from_flat(stored | {"pretrain_model": "transformer"})
    stored.pop("init_std")
    config = PretrainConfig.from_flat(stored | {"pretrain_model": "transformer", "sample_freq": 400.0})
    assert (config.stage.dim_model, config.n_total, config.window_length) == (16, None, 4096)
