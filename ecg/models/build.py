"""A model from its configuration."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn
from torch.overrides import TorchFunctionMode

from ecg.models.heads import LinearHead, Mlp, RecurrentHead
from ecg.models.model_config import ModelConfig
from ecg.models.probe import PooledHead
from ecg.models.resnet import ResNet1d
from ecg.models.s4d import S4dNet
from ecg.models.stages import build_stage
from ecg.patient import N_PATIENT_FEATURES


def build_model(config: ModelConfig, n_outputs: int) -> nn.Sequential:
    """[stage,] ResNet1d, head; or stage, MLP; or stage, probe; or S4D, head.

    Untrained: (window, lead, sample) → (window, output) logits.

    Called as a whole, it takes every window for a record of its own; if it `carries`, the windows of longer records
    go through `ecg.models.carried`, or `RecurrentHead.over_records`.
    """
    modules: list[nn.Module] = []
    n_channels = len(config.leads)
    if config.model == "s4d":
        n_channels += N_PATIENT_FEATURES if config.patient else 0
        return nn.Sequential(S4dNet(config.s4d, n_channels), PooledHead(config.s4d_features, n_outputs))
    if config.probe and config.stage is not None:
        stage = build_stage(config.stage, n_channels, None)
        return nn.Sequential(stage, PooledHead(stage.n_features, n_outputs))
    if config.stage is not None:
        modules.append(build_stage(config.stage, n_channels, config.pretrain_output_size))
        n_channels = config.pretrain_output_size
    if config.eval_transformer:
        return nn.Sequential(*modules, Mlp(n_channels, config.window_length, n_outputs))
    network = ResNet1d(
        n_leads=n_channels,
        n_patient=N_PATIENT_FEATURES if config.patient else 0,
        window_length=config.window_length,
        net_filter_size=config.net_filter_size,
        net_seq_length=config.net_seq_length,
        kernel_size=config.kernel_size,
        dropout_rate=config.dropout_rate,
        squeeze_excitation=config.squeeze_excitation,
    )
    return nn.Sequential(*modules, network, _build_head(config, network, n_outputs))


def build_for_weights(config: ModelConfig, n_outputs: int) -> nn.Sequential:
    """As `build_model`, for weights that are at hand: without drawing first ones, which takes longer than all else."""
    with _Undrawn():
        return build_model(config, n_outputs)


class _Undrawn(TorchFunctionMode):
    """Leaves what is asked of `torch.nn.init` undone."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever `func` returns
        if getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))


def _build_head(config: ModelConfig, network: ResNet1d, n_outputs: int) -> nn.Module:
    if config.pred_stage_type == "linear":
        return LinearHead(network.n_filters, network.n_positions, n_outputs, pooling=config.pooling)
    return RecurrentHead(
        config.pred_stage_type,
        network.n_filters,
        network.n_positions,
        n_outputs,
        hidden_size=config.pred_stage_hidd,
        n_layers=config.pred_stage_n_layer,
    )
