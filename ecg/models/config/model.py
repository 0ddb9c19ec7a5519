"""How a model is configured; `ecg.models.build` makes it."""

import math
from dataclasses import dataclass

from ecg12.ecg.config import Config
from ecg12.ecg.errors import ConfigError
from ecg12.ecg.models.config.option_names import (
    HEADS,
    INITIALISATIONS,
    MODELS,
    NORMALISATIONS,
    POOLINGS,
    RECURRENT_KINDS,
)
from ecg12.ecg.models.config.stage import StageConfig, check_tokens
from ecg12.ecg.plugin_names import EXPECTED, is_plugin_name, unpack_options
from ecg12.ecg.signals.leads import LEADS


@dataclass(frozen=True, kw_only=True, slots=True)
class S4dConfig(Config):
    """The supervised state-space classifier; defaults after Mehari and Strodthoff 2023, who read 100 Hz.

    Attributes
    ----------
    n_features, n_layers, n_state : of the blocks; n_state is the size of each feature's system
    stride : samples that the first convolution makes one position of
    dropout : of the blocks
    initialisation : "lin" or "inv", see `initial_frequencies`
    """

    n_features: int = 512
    n_layers: int = 4
    n_state: int = 8
    stride: int = 4
    dropout: float = 0.2
    initialisation: str = "lin"

    def __post_init__(self) -> None:
        for name in ("n_features", "n_layers", "stride"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected at least 1")
        if self.n_state < 2 or self.n_state % 2:
            raise ConfigError(f"n_state is {self.n_state}; expected an even number of at least 2")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout is {self.dropout}; expected 0 or more and below 1")
        if self.initialisation not in INITIALISATIONS:
            raise ConfigError(f"initialisation is {self.initialisation!r}; expected {' or '.join(INITIALISATIONS)}")


MOST_WINDOW = 2**24
"""Samples of a window: more than nine hours at 500 Hz. Every record, however short, is filled up to a window."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelConfig(Config):
    """Everything a model is built from and expects of its input.

    Names of the network's options and its sizes are the reference system's. Dropout (0.5 there), pooling and
    squeeze-and-excitation are what learned best on real records, see docs/experiments.md.

    Attributes
    ----------
    fs : sampling frequency the model works at, Hz
    leads : the leads it expects, in order, each once
    window_length : samples in a window
    highpass, notch : filters of the signals it was trained on, Hz (see `ecg.signals.filters`); None for none
    normalisation : see `ecg.models.normalise`
    model : "resnet1d", or "s4d": state spaces and a pooled linear head, see `ecg.models.networks.s4d`; or a plugin's
        name, see `ecg.plugin_names`
    pred_stage_type, pred_stage_hidd, pred_stage_n_layer : the head, "linear" or recurrent ("rnn", "lstm",
        "gru"), and the hidden size and number of layers of a recurrent one
    pooling : what a linear head does with the positions of a window, see `ecg.models.networks.heads`
    squeeze_excitation : in the ResNet's blocks
    patient : age and sex of the patient as further input, see `ecg.patient_features`; not below a pretrained stage
    stage : the pretrained stage below the ResNet; None for none
    pretrain_output_size : features that the stage gives
    eval_transformer : a small MLP in the place of ResNet and head, above a stage
    probe : a pooled linear layer in the place of all that, above what the stage learned
    s4d_features, s4d_layers, s4d_state, s4d_stride, s4d_dropout : of "s4d", see `ecg.models.networks.s4d.S4dConfig`
    model_options : options of a plugin's model, see `ecg.plugin_names.pack_options`
    """

    unsaid = frozenset({"model_options"})

    fs: float = 400.0
    leads: tuple[str, ...] = LEADS
    window_length: int = 4096
    highpass: float | None = None
    notch: float | None = None
    normalisation: str = "record"
    model: str = "resnet1d"
    net_filter_size: tuple[int, ...] = (64, 128, 196, 256, 320)
    net_seq_length: tuple[int, ...] = (4096, 1024, 256, 64, 16)
    kernel_size: int = 17
    dropout_rate: float = 0.2
    pred_stage_type: str = "linear"
    pred_stage_hidd: int = 400
    pred_stage_n_layer: int = 1
    pooling: str = "average"
    squeeze_excitation: bool = True
    patient: bool = False
    stage: StageConfig | None = None
    pretrain_output_size: int = 64
    eval_transformer: bool = False
    probe: bool = False
    s4d_features: int = 512
    s4d_layers: int = 4
    s4d_state: int = 8
    s4d_stride: int = 4
    s4d_dropout: float = 0.2
    model_options: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (math.isfinite(self.fs) and self.fs > 0):
            raise ConfigError(f"fs is {self.fs}; expected a positive number of Hz")
        if not self.leads or not set(self.leads) <= set(LEADS) or len(set(self.leads)) != len(self.leads):
            raise ConfigError(f"leads are {', '.join(self.leads)}; expected each once, from {', '.join(LEADS)}")
        if len(self.net_filter_size) != len(self.net_seq_length) or not self.net_filter_size:
            raise ConfigError(
                f"net_filter_size has {len(self.net_filter_size)} entries and net_seq_length "
                f"{len(self.net_seq_length)}; expected one pair for each block"
            )
        if min((*self.net_filter_size, *self.net_seq_length)) < 1:
            raise ConfigError("net_filter_size and net_seq_length; expected numbers of at least 1")
        if self.kernel_size < 1 or self.kernel_size % 2 == 0:
            raise ConfigError(f"kernel_size is {self.kernel_size}; expected an odd number")
        if not 0 <= self.dropout_rate < 1:
            raise ConfigError(f"dropout_rate is {self.dropout_rate}; expected 0 or more and below 1")
        if self.normalisation not in NORMALISATIONS:
            raise ConfigError(f"normalisation is {self.normalisation!r}; expected {' or '.join(NORMALISATIONS)}")
        if self.window_length < 1:
            raise ConfigError(f"window_length is {self.window_length}; expected at least 1 sample")
        if self.window_length > MOST_WINDOW:
            raise ConfigError(f"window_length is {self.window_length}; expected at most {MOST_WINDOW:,} samples")
        if self.pred_stage_type not in HEADS:
            raise ConfigError(f"pred_stage_type is {self.pred_stage_type!r}; expected {', '.join(HEADS)}")
        for name in ("pred_stage_hidd", "pred_stage_n_layer", "pretrain_output_size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected at least 1")
        if self.pooling not in POOLINGS:
            raise ConfigError(f"pooling is {self.pooling!r}; expected {' or '.join(POOLINGS)}")
        if self.patient and self.stage is not None:
            raise ConfigError("patient is set, but a pretrained stage sees leads alone; expected one or the other")
        if self.eval_transformer and self.stage is None:
            raise ConfigError("eval_transformer is set, but there is no pretrained stage; expected one below it")
        self._check_parts()

    def _check_parts(self) -> None:
        if self.model not in MODELS and not self.is_plugin:
            raise ConfigError(f"model is {self.model!r}; expected {' or '.join(MODELS)}, or {EXPECTED}")
        if unpack_options(self.model_options) and not self.is_plugin:
            raise ConfigError(f"model_options are for the model of a plugin; {self.model} has options of its own")
        if self.stage is not None:
            check_tokens(self.stage, self.window_length)
        _ = self.s4d
        if self.probe and self.stage is None:
            raise ConfigError("probe is set, but there is no pretrained stage; expected one below it")
        if self.probe and self.eval_transformer:
            raise ConfigError("probe and eval_transformer are both set; expected one of them")
        if self.model != "resnet1d" and self.stage is not None:
            raise ConfigError(f"model is {self.model!r} above a pretrained stage; expected resnet1d, or probe")
        if self.pred_stage_type != "linear" and (self.probe or self.model != "resnet1d"):
            which = "probe" if self.probe else f"model {self.model}"
            raise ConfigError(f"pred_stage_type is {self.pred_stage_type!r} with {which}; expected linear")

    @property
    def is_plugin(self) -> bool:
        """Whether the network is code from outside this program."""
        return is_plugin_name(self.model)

    @property
    def s4d(self) -> S4dConfig:
        """The configuration of "s4d"."""
        return S4dConfig(
            n_features=self.s4d_features,
            n_layers=self.s4d_layers,
            n_state=self.s4d_state,
            stride=self.s4d_stride,
            dropout=self.s4d_dropout,
        )

    @property
    def has_recurrent_head(self) -> bool:
        """Whether the head carries something from a record's window to the next."""
        return self.pred_stage_type in RECURRENT_KINDS and not self.eval_transformer

    @property
    def stage_remembers(self) -> bool:
        """Whether the pretrained stage does."""
        return self.stage is not None and self.stage.pretrain_model == "transformerxl" and self.stage.mem_len > 0

    @property
    def carries(self) -> bool:
        """Whether any part does: windows then come record by record, see `ecg.models.networks.carried_state`."""
        return self.has_recurrent_head or self.stage_remembers
