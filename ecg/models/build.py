"""A model from its configuration."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from ecg12.ecg.errors import ConfigError, EcgError
from ecg12.ecg.models.config.model import ModelConfig
from ecg12.ecg.models.networks.heads import LinearHead, Mlp, RecurrentHead
from ecg12.ecg.models.networks.resnet import ResNet1d
from ecg12.ecg.models.networks.s4d import S4dNet
from ecg12.ecg.models.plugin_parts import MakeNetwork, make_network
from ecg12.ecg.models.probe import PooledHead
from ecg12.ecg.models.stages import build_stage
from ecg12.ecg.patient_features import N_PATIENT_FEATURES


def build_model(config: ModelConfig, n_outputs: int, make: MakeNetwork | None = None) -> nn.Sequential:
    """[stage,] ResNet1d, head; or stage, MLP; or stage, probe; or S4D, head; or what a plugin's class `make` makes.

    Untrained: (window, lead, sample) → (window, output) logits.

    Called as a whole, it takes every window for a record of its own; if it `carries`, the windows of longer records
    go through `ecg.models.networks.carried_state`, or `RecurrentHead.over_records`.
    """
    modules: list[nn.Module] = []
    n_channels = len(config.leads)
    n_patient = N_PATIENT_FEATURES if config.patient else 0
    if config.is_plugin:
        return nn.Sequential(make_network(config, n_channels + n_patient, n_outputs, make, n_patient=n_patient))
    if config.model == "s4d":
        return nn.Sequential(S4dNet(config.s4d, n_channels, n_patient), PooledHead(config.s4d_features, n_outputs))
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
        n_patient=n_patient,
        window_length=config.window_length,
        net_filter_size=config.net_filter_size,
        net_seq_length=config.net_seq_length,
        kernel_size=config.kernel_size,
        dropout_rate=config.dropout_rate,
        squeeze_excitation=config.squeeze_excitation,
    )
    return nn.Sequential(*modules, network, _build_head(config, network, n_outputs))


def build_for_weights(
    config: ModelConfig,
    n_outputs: int,
    weights: Mapping[str, Any] | None = None,
    make: MakeNetwork | None = None,
) -> nn.Sequential:
    """As `build_model`, for weights that are at hand: without drawing first ones, which takes longer than all else.

    Parameters
    ----------
    weights : name → tensor; a network of far more numbers than these is refused before memory is taken for it
    make : the class of a plugin's model; it draws what it draws, for not all of that need be weights

    Raises
    ------
    ConfigError
        If the network is so much larger than the weights, or larger than can be.
    PluginError
        If a plugin's class cannot be built.
    """
    room = None if weights is None else _Room.of(weights)
    with torch.random.fork_rng(devices=[], enabled=config.is_plugin), _Undrawn(room, draws=config.is_plugin):
        try:
            return build_model(config, n_outputs, make)
        except EcgError:
            raise
        except (RuntimeError, OverflowError, MemoryError, TypeError) as error:  # sizes that torch cannot hold
            reason = " ".join(str(error).split())[:200]
            raise ConfigError(f"no network of such sizes can be built ({reason}); {_EXPECTED}") from error


_EXPECTED = "expected the configuration that the weights were trained with"
_SPARE_VALUES, _SPARE_TENSORS = 2**24, 2**10
"""Numbers and tensors that a network may set aside beyond its weights: masks, tables of positions, first values."""
_TIMES = 3
"""So often each weight may be set aside as a network is built."""

_MAKERS = frozenset(
    {torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn, torch.arange, torch.linspace, torch.eye}
)


@dataclass(slots=True)
class _Room:
    """Numbers and tensors that may yet be set aside."""

    values: int
    tensors: int

    @classmethod
    def of(cls, weights: Mapping[str, Any]) -> "_Room":
        n_values = sum(value.numel() for value in weights.values() if isinstance(value, torch.Tensor))
        return cls(_TIMES * n_values + _SPARE_VALUES, _TIMES * len(weights) + _SPARE_TENSORS)

    def take(self, func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Take what a maker of tensors is about to; raises ConfigError where there is no more."""
        self.values -= _count_values(func, [*args, *(kwargs[name] for name in _SIZES if name in kwargs)])
        self.tensors -= 1
        if self.values < 0 or self.tensors < 0:
            raise ConfigError(f"a network far larger than its weights; {_EXPECTED}")


_SIZES = ("size", "end", "steps", "n", "m")


def _count_values(func: Callable[..., Any], args: Sequence[Any]) -> int:
    """Numbers in the tensor that `func` makes of such arguments, or somewhat more."""
    if func in (torch.arange, torch.linspace):
        return math.ceil(max((abs(value) for value in args if isinstance(value, int | float)), default=0))
    sizes = args[0] if args and isinstance(args[0], Sequence) else args
    found = math.prod(int(size) for size in sizes if isinstance(size, int))
    return found**2 if func is torch.eye and len(args) == 1 else found


class _Undrawn(TorchFunctionMode):
    """Leaves what is asked of `torch.nn.init` undone, unless it `draws`; makes no tensor that there is no room for."""

    def __init__(self, room: _Room | None, *, draws: bool = False) -> None:
        super().__init__()
        self._room, self._draws = room, draws

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever `func` returns
        if not self._draws and getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else (kwargs or {})["tensor"]
        if self._room is not None and func in _MAKERS:
            self._room.take(func, args, kwargs or {})
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
