"""Pretrained stages by their configuration: the net that is pretrained, and its use below a classifier.

What pretraining learned is everything but the last linear layers; a classifier gets a new one in their place.
Option names and defaults are the reference system's where it has them; those of cpc and mae are ours.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from ecg12.ecg.models.config.option_names import RECURRENT_KINDS
from ecg12.ecg.models.config.stage import StageConfig, check_window
from ecg12.ecg.models.networks.cpc import CONTEXT_LAYERS, CpcNet, CpcSize, CpcStage
from ecg12.ecg.models.networks.mae import MaeNet, MaeSize, MaeStage
from ecg12.ecg.models.networks.recurrent_stage import RnnStage
from ecg12.ecg.models.networks.transformer import EncoderSize, FlippingNet, TransformerStage
from ecg12.ecg.models.networks.transformer_xl import TransformerXlStage

NEW_LAYERS = ("linear.", "decoder.", "decoder_class.", "predictor.", "reconstruction.")
"""Where the parameters of the last layers are, which a classifier does not take over."""

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
    a class for each lead, (window, lead, 4). For the others see `CpcNet` and `MaeNet` in
    `ecg.models.networks`.

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
