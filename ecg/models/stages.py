"""Pretrained stages by their configuration: the net that is pretrained, and its use below a classifier.

What pretraining learned is everything but the last linear layers; a classifier gets a new one in their place.
Option names and defaults are the reference system's where it has them; those of cpc and mae are ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from ecg.config import Config
from ecg.errors import ConfigError
from ecg.models.cpc import CONTEXT_LAYERS, CONTEXTS, CpcNet, CpcSize, CpcStage, count_positions
from ecg.models.heads import RECURRENT_KINDS
from ecg.models.mae import MaeNet, MaeSize, MaeStage, count_columns
from ecg.models.rnn import RnnStage
from ecg.models.transformer import EncoderSize, FlippingNet, TransformerStage, count_tokens
from ecg.models.transformer_xl import TransformerXlStage

PRETRAIN_MODELS = ("rnn", "lstm", "gru", "transformer", "transformerxl", "cpc", "mae")
TRAIN_TYPES = ("flipping", "masking")

NEW_LAYERS = ("linear.", "decoder.", "decoder_class.", "predictor.", "reconstruction.")
"""Where the parameters of the last layers are, which a classifier does not take over."""

_RECURRENT, _TRANSFORMERS = frozenset(RECURRENT_KINDS), frozenset({"transformer", "transformerxl"})
_CPC, _MAE = frozenset({"cpc"}), frozenset({"mae"})

OPTIONS_OF: Mapping[str, frozenset[str]] = {
    "hidden_size_rnn": _RECURRENT,
    "num_layers": _RECURRENT,
    "k_steps_ahead": _RECURRENT,
    "num_heads": _TRANSFORMERS | _MAE,
    "num_trans_layers": _TRANSFORMERS | _MAE,
    "dim_model": _TRANSFORMERS | _MAE,
    "dim_inner": _TRANSFORMERS | _MAE,
    "steps_concat": _TRANSFORMERS,
    "dropout_attn": _TRANSFORMERS,
    "trans_train_type": frozenset({"transformer"}),
    "mem_len": frozenset({"transformerxl"}),
    "context": _CPC,
    "dim_encoder": _CPC,
    "encoder_strides": _CPC,
    "dim_context": _CPC,
    "context_layers": _CPC,
    "state_size": _CPC,
    "cpc_steps": _CPC,
    "patch_length": _MAE,
    "dim_decoder": _MAE,
    "decoder_layers": _MAE,
}
"""Which nets an option means something to; `dropout` does to all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StageConfig(Config):
    """What a pretrained stage is built from.

    Attributes
    ----------
    pretrain_model : "rnn", "lstm", "gru", "transformer", "transformerxl", "cpc" or "mae"
    hidden_size_rnn, num_layers, k_steps_ahead : of the recurrent ones; they predict the signal so many
        samples ahead
    num_heads, num_trans_layers, dim_model, dim_inner : of the transformers and of mae
    steps_concat : samples of all leads in a token of the transformers. The reference's transformer-XL has 1, which is
        sixteen times the work of the 4 here, and its memory then reaches back a quarter as far
    trans_train_type : what the transformer is pretrained for: "flipping" or "masking"
    mem_len : tokens of the window before that transformer-XL remembers
    dropout : of any
    dropout_attn : of the transformers' attention matrix, see `ecg.models.transformer`; the reference has 0.2
    context : of cpc, "lstm" or "s4d"
    dim_encoder, encoder_strides : of cpc's convolutions
    dim_context, context_layers, state_size : of cpc's context; layers None: 2 of an LSTM, 4 of state spaces
    cpc_steps : positions ahead that cpc predicts
    patch_length : samples of one lead in a patch of mae
    dim_decoder, decoder_layers : of the decoder that pretrains mae
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
    mem_len: int = 100
    dropout: float = 0.2
    dropout_attn: float = 0.0
    context: str = "s4d"
    dim_encoder: int = 256
    encoder_strides: tuple[int, ...] = (4, 2, 2)
    dim_context: int = 512
    context_layers: int | None = None
    state_size: int = 8
    cpc_steps: int = 12
    patch_length: int = 64
    dim_decoder: int = 128
    decoder_layers: int = 1

    def __post_init__(self) -> None:
        for name, allowed in (
            ("pretrain_model", PRETRAIN_MODELS),
            ("trans_train_type", TRAIN_TYPES),
            ("context", CONTEXTS),
        ):
            if getattr(self, name) not in allowed:
                between = " or " if len(allowed) == 2 else ", "
                raise ConfigError(f"{name} is {getattr(self, name)!r}; expected {between.join(allowed)}")
        for name in _COUNTS:
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}; expected at least 1")
        for name in ("k_steps_ahead", "encoder_strides"):
            if not getattr(self, name) or min(getattr(self, name)) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected numbers of at least 1")
        if self.mem_len < 0:
            raise ConfigError(f"mem_len is {self.mem_len}; expected 0 or more")
        if self.state_size < 2 or self.state_size % 2:
            raise ConfigError(f"state_size is {self.state_size}; expected an even number of at least 2")
        for name in ("dropout", "dropout_attn"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected 0 or more and below 1")


_COUNTS = (
    *("hidden_size_rnn", "num_layers", "num_heads", "num_trans_layers", "dim_model", "dim_inner", "steps_concat"),
    *("dim_encoder", "dim_context", "context_layers", "cpc_steps", "patch_length", "dim_decoder", "decoder_layers"),
)


Stage = RnnStage | TransformerStage | TransformerXlStage | CpcStage | MaeStage


def build_stage(config: StageConfig, n_leads: int, n_outputs: int | None) -> Stage:
    """The stage below a classifier, untrained: (window, lead, sample) → (window, output, sample).

    With None outputs it has no last layer and gives what it learned: (window, feature, position); `n_features` says
    how many. Its method `blocks` names its parts from the input up.
    """
    if config.pretrain_model in RECURRENT_KINDS:
        return RnnStage(
            config.pretrain_model,
            n_leads=n_leads,
            n_outputs=n_outputs,
            hidden_size=config.hidden_size_rnn,
            n_layers=config.num_layers,
            dropout=config.dropout,
        )
    if config.pretrain_model == "cpc":
        return CpcStage(_cpc_size(config, n_leads), n_outputs)
    if config.pretrain_model == "mae":
        return MaeStage(_mae_size(config, n_leads), n_outputs)
    if config.pretrain_model == "transformerxl":
        return TransformerXlStage(_size(config, n_leads), n_outputs, mem_len=config.mem_len)
    return TransformerStage(_size(config, n_leads), n_outputs)


def build_pretraining_net(config: StageConfig, n_leads: int, window_length: int) -> nn.Module:
    """The net that pretraining trains, untrained.

    The recurrent ones give the signal at each of `k_steps_ahead`, (window, lead × step, sample), all leads of
    the first step first; a masking transformer, and transformer-XL, its input, (window, lead, sample); a flipping one
    a class for each lead, (window, lead, 4). For the others see `ecg.models.cpc.CpcNet` and `ecg.models.mae.MaeNet`.

    Raises
    ------
    ConfigError
        If the window is too short for it, or does not divide as it must.
    """
    check_window(config, window_length)
    if config.pretrain_model in RECURRENT_KINDS:
        return build_stage(config, n_leads, n_leads * len(config.k_steps_ahead))
    if config.pretrain_model == "cpc":
        return CpcNet(_cpc_size(config, n_leads), config.cpc_steps)
    if config.pretrain_model == "mae":
        return MaeNet(_mae_size(config, n_leads))
    if config.pretrain_model == "transformerxl" or config.trans_train_type == "masking":
        return build_stage(config, n_leads, n_leads)
    return FlippingNet(_size(config, n_leads), window_length)


def check_window(config: StageConfig, window_length: int) -> None:
    """Raise ConfigError if windows do not suit `check_tokens`, or are shorter than the steps ahead."""
    check_tokens(config, window_length)
    model = config.pretrain_model
    if model in RECURRENT_KINDS and window_length <= max(config.k_steps_ahead):
        raise ConfigError(
            f"windows of {window_length} samples and k_steps_ahead up to {max(config.k_steps_ahead)}; expected longer "
            "windows, or fewer steps"
        )
    if model == "cpc" and count_positions(window_length, config.encoder_strides) <= config.cpc_steps:
        raise ConfigError(
            f"windows of {count_positions(window_length, config.encoder_strides)} positions and cpc_steps "
            f"{config.cpc_steps}; expected longer windows, or fewer steps"
        )


def check_tokens(config: StageConfig, window_length: int) -> None:
    """Raise ConfigError if windows are no whole number of tokens, positions or patches."""
    if config.pretrain_model in _TRANSFORMERS:
        count_tokens(window_length, config.steps_concat)
    elif config.pretrain_model == "mae":
        count_columns(window_length, config.patch_length)
    elif config.pretrain_model == "cpc":
        count_positions(window_length, config.encoder_strides)


def _size(config: StageConfig, n_leads: int) -> EncoderSize:
    return EncoderSize(
        n_leads=n_leads,
        dim_model=config.dim_model,
        dim_inner=config.dim_inner,
        num_heads=config.num_heads,
        n_layers=config.num_trans_layers,
        steps_concat=config.steps_concat,
        dropout=config.dropout,
        dropout_attn=config.dropout_attn,
    )


def _cpc_size(config: StageConfig, n_leads: int) -> CpcSize:
    return CpcSize(
        n_leads=n_leads,
        dim_encoder=config.dim_encoder,
        strides=config.encoder_strides,
        context=config.context,
        dim_context=config.dim_context,
        n_layers=config.context_layers or CONTEXT_LAYERS[config.context],
        n_state=config.state_size,
        dropout=config.dropout,
    )


def _mae_size(config: StageConfig, n_leads: int) -> MaeSize:
    return MaeSize(
        n_leads=n_leads,
        patch_length=config.patch_length,
        dim_model=config.dim_model,
        dim_inner=config.dim_inner,
        num_heads=config.num_heads,
        n_layers=config.num_trans_layers,
        dim_decoder=config.dim_decoder,
        n_decoder_layers=config.decoder_layers,
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
