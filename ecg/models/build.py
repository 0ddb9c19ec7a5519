"""A model from its configuration."""

import math
from dataclasses import dataclass

from torch import nn

from ecg.config import Config
from ecg.errors import ConfigError
from ecg.leads import LEADS
from ecg.models.heads import LinearHead
from ecg.models.normalise import NORMALISATIONS
from ecg.models.resnet import ResNet1d


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelConfig(Config):
    """Everything a model is built from and expects of its input.

    Names and defaults of the network's options are the reference system's.

    Attributes
    ----------
    fs : sampling frequency the model works at, Hz
    leads : the leads it expects, in order, each once
    window_length : samples in a window
    normalisation : see `ecg.models.normalise`
    """

    fs: float = 400.0
    leads: tuple[str, ...] = LEADS
    window_length: int = 4096
    normalisation: str = "record"
    net_filter_size: tuple[int, ...] = (64, 128, 196, 256, 320)
    net_seq_length: tuple[int, ...] = (4096, 1024, 256, 64, 16)
    kernel_size: int = 17
    dropout_rate: float = 0.5

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


def build_model(config: ModelConfig, n_outputs: int) -> nn.Sequential:
    """[ResNet1d, LinearHead], untrained: (window, lead, sample) → (window, output) logits."""
    network = ResNet1d(
        n_leads=len(config.leads),
        window_length=config.window_length,
        net_filter_size=config.net_filter_size,
        net_seq_length=config.net_seq_length,
        kernel_size=config.kernel_size,
        dropout_rate=config.dropout_rate,
    )
    return nn.Sequential(network, LinearHead(network.n_filters, network.n_positions, n_outputs))
