"""A model from its configuration."""

import math
from dataclasses import dataclass

from torch import nn

from ecg.config import Config
from ecg.errors import ConfigError
from ecg.leads import LEADS
from ecg.models.heads import HEADS, LinearHead, Mlp, RecurrentHead
from ecg.models.normalise import NORMALISATIONS
from ecg.models.resnet import ResNet1d
from ecg.models.stages import StageConfig, build_stage


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelConfig(Config):
    """Everything a model is built from and expects of its input.

    Names and defaults of the network's options are the reference system's.

    Attributes
    ----------
    fs : sampling frequency the model works at, Hz
    leads : the leads it expects, in order, each once
    window_length : samples in a window
    highpass, notch : filters of the signals it was trained on, Hz (see `ecg.filters`); None for none
    normalisation : see `ecg.models.normalise`
    pred_stage_type, pred_stage_hidd, pred_stage_n_layer : the head, "linear" or recurrent ("rnn", "lstm",
        "gru"), and the hidden size and number of layers of a recurrent one
    stage : the pretrained stage below the ResNet; None for none
    pretrain_output_size : features that the stage gives
    eval_transformer : a small MLP in the place of ResNet and head, above a stage
    """

    fs: float = 400.0
    leads: tuple[str, ...] = LEADS
    window_length: int = 4096
    highpass: float | None = None
    notch: float | None = None
    normalisation: str = "record"
    net_filter_size: tuple[int, ...] = (64, 128, 196, 256, 320)
    net_seq_length: tuple[int, ...] = (4096, 1024, 256, 64, 16)
    kernel_size: int = 17
    dropout_rate: float = 0.5
    pred_stage_type: str = "linear"
    pred_stage_hidd: int = 400
    pred_stage_n_layer: int = 1
    stage: StageConfig | None = None
    pretrain_output_size: int = 64
    eval_transformer: bool = False

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
        if self.pred_stage_type not in HEADS:
            raise ConfigError(f"pred_stage_type is {self.pred_stage_type!r}; expected {', '.join(HEADS)}")
        for name in ("pred_stage_hidd", "pred_stage_n_layer", "pretrain_output_size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected at least 1")
        if self.eval_transformer and self.stage is None:
            raise ConfigError("eval_transformer is set, but there is no pretrained stage; expected one below it")


def build_model(config: ModelConfig, n_outputs: int) -> nn.Sequential:
    """[stage,] ResNet1d, head; or stage, MLP. Untrained: (window, lead, sample) → (window, output) logits.

    Called as a whole, it takes every window for a record of its own; with a recurrent head, the windows of
    longer records go through `RecurrentHead.step` or `RecurrentHead.over_records`.
    """
    modules: list[nn.Module] = []
    n_channels = len(config.leads)
    if config.stage is not None:
        modules.append(build_stage(config.stage, n_channels, config.pretrain_output_size))
        n_channels = config.pretrain_output_size
    if config.eval_transformer:
        return nn.Sequential(*modules, Mlp(n_channels, config.window_length, n_outputs))
    network = ResNet1d(
        n_leads=n_channels,
        window_length=config.window_length,
        net_filter_size=config.net_filter_size,
        net_seq_length=config.net_seq_length,
        kernel_size=config.kernel_size,
        dropout_rate=config.dropout_rate,
    )
    return nn.Sequential(*modules, network, _build_head(config, network, n_outputs))


def _build_head(config: ModelConfig, network: ResNet1d, n_outputs: int) -> nn.Module:
    if config.pred_stage_type == "linear":
        return LinearHead(network.n_filters, network.n_positions, n_outputs)
    return RecurrentHead(
        config.pred_stage_type,
        network.n_filters,
        network.n_positions,
        n_outputs,
        hidden_size=config.pred_stage_hidd,
        n_layers=config.pred_stage_n_layer,
    )
