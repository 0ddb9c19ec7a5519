"""How a pretraining is configured, and the flat pretrain_config.json that says so in the reference system's words."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ecg12.ecg.config import Config
from ecg12.ecg.errors import ConfigError
from ecg12.ecg.models.config.objective import OPTIONS_OF as OBJECTIVE_OPTIONS_OF
from ecg12.ecg.models.config.objective import ObjectiveConfig
from ecg12.ecg.models.config.option_names import NORMALISATIONS
from ecg12.ecg.models.config.stage import OPTIONS_OF, StageConfig
from ecg12.ecg.signals.leads import LEADS
from ecg12.pipeline.runtime.option_names import OPTIMIZERS, PRECISIONS, SCHEDULES, check_residency

_OURS = {"epochs": 50, "optimizer": "adamw", "schedule": "one_cycle", "precision": "auto"}

DEFAULTS_OF: Mapping[str, Mapping[str, Any]] = {
    "cpc": _OURS | {"weight_decay": 1e-2},
    "mae": _OURS | {"weight_decay": 5e-2, "dropout": 0.0},
}
"""Where the nets that the reference system has not differ from the defaults, which are the reference's."""

FILE_NAMES = {"window_length": "seq_length", "fs": "sample_freq"}
"""What the reference system calls two of the fields."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PretrainConfig(Config):
    """How to pretrain; the net is described by `stage`, what is asked of it by `stage` and `objective`.

    Attributes
    ----------
    seed : of weights, order, split and everything drawn
    epochs : passes over the training windows
    batch_size : windows in a batch; rows of records for transformer-XL
    valid_split : share of the records to validate on
    n_total : so many of the records, chosen by a hash of their names; None takes all
    lr, optimizer, weight_decay, schedule, milestones, lr_factor : see `pipeline.training.optimise`
    clip_value : largest norm of the gradient
    train_noise_std : standard deviation of noise added to the input in training, in its own unit; the target has none
    max_windows_per_record : random windows of a longer record in each epoch; None takes all
    residency, check : see `pipeline.runs.train_config`
    precision : "fp32", or "bf16" or "fp16" where torch's autocast has it so, fp16 on a GPU only; or "auto", which a few
        timed steps decide when the pretraining begins: its folder has what was chosen
    compile : let torch compile the net
    window_length : samples in a window
    fs, leads, highpass, notch : of the store
    normalisation : see `ecg.models.normalise`
    """

    seed: int = 2
    epochs: int = 125
    batch_size: int = 32
    valid_split: float = 0.3
    n_total: int | None = None
    lr: float = 1e-3
    optimizer: str = "adam"
    weight_decay: float = 0.0
    schedule: str = "steps"
    milestones: tuple[int, ...] = (40, 75, 100)
    lr_factor: float = 0.1
    clip_value: float = 1.0
    train_noise_std: float = 0.0
    max_windows_per_record: int | None = 8
    residency: str = "auto"
    check: bool = True
    precision: str = "fp32"
    compile: bool = False
    window_length: int = 4096
    fs: float = 400.0
    leads: tuple[str, ...] = LEADS
    highpass: float | None = None
    notch: float | None = None
    normalisation: str = "record"
    stage: StageConfig = field(default_factory=StageConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "n_total", "max_windows_per_record", "window_length"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}; expected at least 1")
        if not 0 <= self.seed < 2**63:
            raise ConfigError(f"seed is {self.seed}; expected 0 or more")
        for name in ("lr", "lr_factor", "clip_value"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected a positive number")
        for name in ("weight_decay", "train_noise_std"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected 0 or more")
        if not 0 <= self.valid_split < 1:
            raise ConfigError(f"valid_split is {self.valid_split}; expected 0 or more and below 1")
        if list(self.milestones) != sorted(set(self.milestones)) or min(self.milestones, default=0) < 0:
            raise ConfigError(f"milestones are {self.milestones}; expected epochs of 0 or more, ascending")
        choices = {"optimizer": OPTIMIZERS, "schedule": SCHEDULES, "normalisation": NORMALISATIONS}
        for name, allowed in (choices | {"precision": PRECISIONS}).items():
            if getattr(self, name) not in allowed:
                raise ConfigError(f"{name} is {getattr(self, name)!r}; expected {' or '.join(allowed)}")
        check_residency(self.residency)

    def to_flat(self) -> dict[str, Any]:
        """All fields, those of `stage` and `objective` among the others."""
        values = self.to_dict()
        return values.pop("stage") | values.pop("objective") | values

    def to_file(self) -> dict[str, Any]:
        """What pretrain_config.json holds: flat, with the reference system's names and its word for no limit."""
        flat = self.to_flat() | {"n_total": -1 if self.n_total is None else self.n_total}
        return {FILE_NAMES.get(name, name): value for name, value in flat.items()}

    @classmethod
    def from_flat(cls, values: Mapping[str, Any]) -> "PretrainConfig":
        """The inverse of `to_flat` and `to_file`, and from options that were asked for.

        What is absent takes its net's default.

        Raises
        ------
        ConfigError
            If an option is unknown or out of range.
        """
        own = {theirs: own for own, theirs in FILE_NAMES.items()}
        named = {own.get(name, name): value for name, value in values.items()}
        if named.get("n_total") == -1:
            named["n_total"] = None
        named = dict(DEFAULTS_OF.get(named.get("pretrain_model", ""), {})) | named
        parts: dict[str, dict[str, Any]] = {"stage": {}, "objective": {}}
        rest: dict[str, Any] = {}
        for name, value in named.items():
            part = next((part for part, names in _PARTS.items() if name in names), None)
            (rest if part is None else parts[part])[name] = value
        return cls.from_dict(rest | parts)


NETS_OF = {**OPTIONS_OF, **OBJECTIVE_OPTIONS_OF}
"""Which nets an option means something to."""

_PARTS = {"stage": set(StageConfig.__dataclass_fields__), "objective": set(ObjectiveConfig.__dataclass_fields__)}

OPTIONS = tuple(
    name
    for config in (StageConfig, ObjectiveConfig, PretrainConfig)
    for name in config.__dataclass_fields__
    if name not in {"stage", "objective", "fs", "leads", "highpass", "notch"}
)
"""What may be asked for: every field but those that the store gives."""
