"""Pretrained stages by their configuration: the net that is pretrained, and its use below a classifier.

What pretraining learned is everything but the last linear layers; a classifier gets a new one in their place.
Option names and defaults are the reference system's.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from ecg.config import Config
from ecg.errors import ConfigError
from ecg.models.heads import RECURRENT_KINDS
from ecg.models.rnn import RnnStage
from ecg.models.transformer import EncoderSize, FlippingNet, TransformerStage

PRETRAIN_MODELS = ("rnn", "lstm", "gru", "transformer")
TRAIN_TYPES = ("flipping", "masking")

NEW_LAYERS = ("linear.", "decoder.", "decoder_class.")
"""Where the parameters of the last linear layers are, which a classifier does not take over."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StageConfig(Config):
    """What a pretrained stage is built from.

    Attributes
    ----------
    pretrain_model : "rnn", "lstm", "gru" or "transformer"
    hidden_size_rnn, num_layers, k_steps_ahead : of the recurrent ones; they predict the signal so many
        samples ahead
    num_heads, num_trans_layers, dim_model, dim_inner, steps_concat : of the transformer
    trans_train_type : what the transformer was pretrained for: "flipping" or "masking"
    dropout : of either
    """

    pretrain_model: str = "transformer"
    hidden_size_rnn: int = 800
    num_layers: int = 1
    k_steps_ahead: tuple[int, ...] = (10, 20, 25, 50, 75, 90, 100)
    num_heads: int = 4
    num_trans_layers: int = 3
    dim_model: int = 256
    dim_inner: int = 768
    steps_concat: int = 4
    trans_train_type: str = "flipping"
    dropout: float = 0.2

    def __post_init__(self) -> None:
        if self.pretrain_model not in PRETRAIN_MODELS:
            raise ConfigError(f"pretrain_model is {self.pretrain_model!r}; expected {', '.join(PRETRAIN_MODELS)}")
        if self.trans_train_type not in TRAIN_TYPES:
            raise ConfigError(f"trans_train_type is {self.trans_train_type!r}; expected {' or '.join(TRAIN_TYPES)}")
        for name in (
            "hidden_size_rnn",
            "num_layers",
            "num_heads",
            "num_trans_layers",
            "dim_model",
            "dim_inner",
            "steps_concat",
        ):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected at least 1")
        if not self.k_steps_ahead or min(self.k_steps_ahead) < 1:
            raise ConfigError(f"k_steps_ahead is {self.k_steps_ahead}; expected numbers of at least 1")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout is {self.dropout}; expected 0 or more and below 1")


def build_stage(config: StageConfig, n_leads: int, n_outputs: int) -> nn.Module:
    """The stage below a classifier, untrained: (window, lead, sample) → (window, output, sample)."""
    if config.pretrain_model in RECURRENT_KINDS:
        return RnnStage(
            config.pretrain_model,
            n_leads=n_leads,
            n_outputs=n_outputs,
            hidden_size=config.hidden_size_rnn,
            n_layers=config.num_layers,
            dropout=config.dropout,
        )
    return TransformerStage(_size(config, n_leads), n_outputs)


def build_pretraining_net(config: StageConfig, n_leads: int, window_length: int) -> nn.Module:
    """The net that pretraining trains, untrained.

    The recurrent ones give the signal at each of `k_steps_ahead`, (window, lead × step, sample), all leads of
    the first step first; a masking transformer its input, (window, lead, sample); a flipping one a class for
    each lead, (window, lead, 4).
    """
    if config.pretrain_model in RECURRENT_KINDS:
        return build_stage(config, n_leads, n_leads * len(config.k_steps_ahead))
    if config.trans_train_type == "masking":
        return build_stage(config, n_leads, n_leads)
    return FlippingNet(_size(config, n_leads), window_length)


def _size(config: StageConfig, n_leads: int) -> EncoderSize:
    return EncoderSize(
        n_leads=n_leads,
        dim_model=config.dim_model,
        dim_inner=config.dim_inner,
        num_heads=config.num_heads,
        n_layers=config.num_trans_layers,
        steps_concat=config.steps_concat,
        dropout=config.dropout,
    )


def transfer(pretrained: Mapping[str, Tensor], stage: nn.Module) -> None:
    """Give a classifier's stage what pretraining learned; its new last layer keeps its random start.

    Parameters
    ----------
    pretrained : weights of the net that `build_pretraining_net` makes
    stage : made by `build_stage` from the same configuration

    Raises
    ------
    RuntimeError
        If the weights are those of another net.
    """
    kept = {name: value for name, value in pretrained.items() if not name.startswith(NEW_LAYERS)}
    own = {name: value for name, value in stage.state_dict().items() if name.startswith(NEW_LAYERS)}
    stage.load_state_dict(kept | own, strict=True)
