"""The short timing by which a training or a pretraining with precision "auto" decides, before its first epoch."""

from dataclasses import replace

import torch
from torch import Tensor

from ecg12.ecg.models.build import build_model
from ecg12.ecg.models.plugin_parts import MakeNetwork
from ecg12.ecg.models.pretraining_objectives import Objective, Windows
from ecg12.ecg.models.stages import build_pretraining_net
from ecg12.ecg.patient_features import N_PATIENT_FEATURES
from ecg12.pipeline.compute.autocast import Autocast
from ecg12.pipeline.compute.float_precision import (
    SMALLEST_PARAMETERS,
    TIMED_WINDOWS,
    Arithmetic,
    choose_arithmetic,
    choose_faster,
    count_parameters,
    seconds_of,
    tell_what_keeps_float32,
)
from ecg12.pipeline.runs.pretrain_config import PretrainConfig
from ecg12.pipeline.runs.train_config import TrainConfig
from ecg12.pipeline.training.epoch import freeze_stage


def settle_arithmetic(
    config: TrainConfig, n_outputs: int, device: torch.device, make: MakeNetwork | None = None
) -> tuple[TrainConfig, dict[str, float]]:
    """The configuration with precision and kernels chosen, and the seconds of the steps that were timed for it.

    A network of the same configuration takes steps forward and back on noise. Torch's random numbers are left as
    they were. `make` is the class of a plugin's model.

    Raises
    ------
    ConfigError
        If what is asked for is nothing that the device can do.
    """
    wanted = Arithmetic(precision=config.precision, kernels=config.kernels)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        network = build_model(config.model, n_outputs, make).to(device).train()
        freeze_stage(network, config)
        x = _noise(config, device)

        def time_step(way: Arithmetic) -> float:
            way.apply(network)
            return seconds_of(step, device)

        def step() -> None:
            network.zero_grad(set_to_none=True)
            network(x).square().mean().backward()

        chosen, seconds = choose_arithmetic(wanted, network, device, time_step)
    return replace(config, precision=chosen.precision, kernels=chosen.kernels), seconds


def settle_pretraining(
    config: PretrainConfig, objective: Objective, device: torch.device
) -> tuple[PretrainConfig, dict[str, float]]:
    """The same for a pretraining: its configuration with the precision chosen, and the seconds.

    Raises
    ------
    ConfigError
        If what is asked for is nothing that the device can do.
    """
    if config.precision == "fp32":
        return config, {}
    if config.precision != "auto":
        _ = Autocast(config.precision, device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        network = build_pretraining_net(config.stage, len(config.leads), config.window_length).to(device).train()
        if config.precision != "auto":
            tell_what_keeps_float32([network], device, config.precision)
            return config, {}
        has_bf16 = device.type == "cpu" or torch.cuda.is_bf16_supported(including_emulation=False)
        if not has_bf16 or count_parameters(network) < SMALLEST_PARAMETERS:
            return replace(config, precision="fp32"), {}
        generator = torch.Generator(device)
        shape = (min(config.batch_size, TIMED_WINDOWS), len(config.leads), config.window_length)
        signal = torch.randn(shape, device=device)
        windows = Windows(signal, signal, torch.ones_like(signal[:, 0], dtype=torch.bool))

        def time_step(precision: str) -> float:
            autocast = Autocast(precision, device)

            def step() -> None:
                network.zero_grad(set_to_none=True)
                with autocast.forward():
                    loss = objective.compute_loss(network, windows, generator)
                loss.mean.backward()

            return seconds_of(step, device)

        chosen, seconds = choose_faster(time_step)
        tell_what_keeps_float32([network], device, chosen)
    return replace(config, precision=chosen), seconds


def _noise(config: TrainConfig, device: torch.device) -> Tensor:
    n_channels = len(config.model.leads) + (N_PATIENT_FEATURES if config.model.patient else 0)
    shape = (min(config.batch_size, TIMED_WINDOWS), n_channels, config.model.window_length)
    return torch.randn(shape, device=device)
