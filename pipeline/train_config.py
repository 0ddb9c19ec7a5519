"""How a training is configured, and which stored configuration may be gone on with."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cache.reader import Store
from ecg.config import Config
from ecg.errors import ConfigError, RunFolderError
from ecg.models.build import ModelConfig
from pipeline import run_folder as files
from pipeline.residency import check_residency


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig(Config):
    """How to train; what is trained stands in `model`.

    Attributes
    ----------
    epochs : passes over the training windows
    batch_size, valid_batch_size : windows in a batch
    lr : highest learning rate; it is reached after a tenth of the steps and falls to zero as a cosine
    weight_decay : of AdamW
    valid_split : share of the records to validate on
    max_windows_per_record : random windows of a longer record in each epoch; None takes all
    residency : where windows are while an epoch lasts, see `pipeline.batches`; a run folder has the one that "auto"
        chose when the run began, so that a run goes on in the same order wherever it does
    check : hold each chunk against its crc32c when it is first decoded
    """

    seed: int = 2
    epochs: int = 30
    batch_size: int = 32
    valid_batch_size: int = 256
    lr: float = 2e-3
    weight_decay: float = 1e-2
    valid_split: float = 0.3
    max_windows_per_record: int | None = 8
    residency: str = "auto"
    check: bool = True
    model: ModelConfig = field(default_factory=ModelConfig)

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "valid_batch_size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected at least 1")
        if not 0 <= self.seed < 2**63:
            raise ConfigError(f"seed is {self.seed}; expected 0 or more")
        if not self.lr > 0 or not math.isfinite(self.lr):
            raise ConfigError(f"lr is {self.lr}; expected a positive number")
        if not 0 <= self.valid_split < 1:
            raise ConfigError(f"valid_split is {self.valid_split}; expected 0 or more and below 1")
        check_residency(self.residency)


_MAY_CHANGE = {"epochs", "check"}
"""Options that a run may be gone on with otherwise: they change no number of the epochs before."""


def _of_store(store: Store) -> dict[str, Any]:
    """What a model takes over from the store it is trained on."""
    return {
        "fs": store.fs,
        "leads": store.leads,
        "highpass": store.config.highpass,
        "notch": store.config.notch,
    }


def configure(folder: Path, store: Store, options: dict[str, Any], model_options: dict[str, Any]) -> TrainConfig:
    """The configuration of a new run, or the stored one of a run to go on with."""
    if (folder / files.LAST_STATE).exists():
        stored = files.read_json(folder / files.CONFIG)
        try:
            config = TrainConfig.from_dict(stored["train"] | {"model": stored["model"]})
        except (KeyError, TypeError, ConfigError) as error:
            raise RunFolderError(f"{folder / files.CONFIG}: cannot be continued ({error})") from error
        values = config.to_dict()
        # whatever was chosen then is what "auto" means now
        asked = {key: value for key, value in options.items() if (key, value) != ("residency", "auto")}
        asked |= {f"model.{key}": value for key, value in model_options.items()}
        current = values | {f"model.{key}": value for key, value in values["model"].items()}
        changed = [
            f"{key} {current[key]} there, {value} asked for"
            for key, value in asked.items()
            if key not in _MAY_CHANGE and current[key] != (list(value) if isinstance(value, tuple) else value)
        ]
        if changed:
            raise RunFolderError(
                f"{folder}: the run was begun otherwise ({'; '.join(changed)}); leave these out to continue it, or "
                "choose another --folder"
            )
        config = TrainConfig.from_dict(values | {key: options[key] for key in _MAY_CHANGE & options.keys()})
        expected = stored.get("store_digest")
        if expected != store.attributes["digest"]:
            raise RunFolderError(f"{folder}: was trained on another store than {store.path}; continue it with its own")
    else:
        if (folder / files.MODEL).exists():
            raise RunFolderError(f"{folder}: holds a model but no {files.LAST_STATE}; choose another --folder")
        model = ModelConfig.from_dict(_of_store(store) | model_options)
        config = TrainConfig.from_dict(options | {"model": model})
    if (config.model.fs, config.model.leads) != (store.fs, store.leads):
        raise ConfigError(
            f"{store.path}: {len(store.leads)} leads at {store.fs:g} Hz; the model expects {len(config.model.leads)} "
            f"at {config.model.fs:g} Hz: use a store built for it"
        )
    return config
