"""How a pretrained stage is configured, and which windows suit it.

Option names and defaults are the reference system's where it has them; those of cpc and mae are ours.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ecg12.ecg.config import Config
from ecg12.ecg.errors import ConfigError
from ecg12.ecg.models.config.option_names import CONTEXTS, RECURRENT_KINDS

PRETRAIN_MODELS = ("rnn", "lstm", "gru", "transformer", "transformerxl", "cpc", "mae")
TRAIN_TYPES = ("flipping", "masking")

MAX_TOKENS = 10_000
"""Positions in the table of a checkpoint, which has it among its weights."""

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
    dropout_attn : of the transformers' attention matrix, see `ecg.models.networks.transformer`; the reference has 0.2
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


def count_tokens(n_samples: int, steps_concat: int) -> int:
    """Tokens of a window.

    Raises
    ------
    ConfigError
        If they are no whole number, or more than positions are known for.
    """
    n_tokens, rest = divmod(n_samples, steps_concat)
    if rest or n_tokens > MAX_TOKENS:
        raise ConfigError(
            f"window of {n_samples} samples in tokens of {steps_concat}; expected a whole number of tokens, "
            f"at most {MAX_TOKENS:,}"
        )
    return n_tokens


def count_columns(n_samples: int, patch_length: int) -> int:
    """Patches of a lead.

    Raises
    ------
    ConfigError
        If they are no whole number.
    """
    n, rest = divmod(n_samples, patch_length)
    if rest or not n:
        raise ConfigError(
            f"window of {n_samples} samples in patches of {patch_length}; expected a whole number of patches"
        )
    return n


def count_positions(n_samples: int, strides: tuple[int, ...]) -> int:
    """Positions of the encoder's output.

    Raises
    ------
    ConfigError
        If they are no whole number.
    """
    n, rest = divmod(n_samples, math.prod(strides))
    if rest or not n:
        raise ConfigError(
            f"window of {n_samples} samples in positions of {math.prod(strides)} (strides "
            f"{', '.join(map(str, strides))}); expected a whole number of positions"
        )
    return n
