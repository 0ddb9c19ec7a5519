"""The short timing by which a training with precision "auto" decides, before its first epoch."""

from dataclasses import replace

import torch
from torch import Tensor

from ecg.models.build import build_model
from ecg.patient import N_PATIENT_FEATURES
from pipeline.precision import PROBE_WINDOWS, Arithmetic, choose_arithmetic, seconds_of
from pipeline.train_config import TrainConfig


def settle_arithmetic(
    config: TrainConfig, n_outputs: int, device: torch.device
) -> tuple[TrainConfig, dict[str, float]]:
    """The configuration with precision and kernels chosen, and the seconds of the steps that were timed for it.

    A network of the same configuration takes steps forward and back on noise. Torch's random numbers are left as
    they were.

    Raises
    ------
    ConfigError
        If what is asked for is nothing that the device can do.
    """
    wanted = Arithmetic(precision=config.precision, kernels=config.kernels)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        network = build_model(config.model, n_outputs).to(device).train()
        x = _noise(config, device)

        def time_step(way: Arithmetic) -> float:
            way.apply(network)
            return seconds_of(step, device)

        def step() -> None:
            network.zero_grad(set_to_none=True)
            network(x).square().mean().backward()

        chosen, seconds = choose_arithmetic(wanted, network, device, time_step)
    return replace(config, precision=chosen.precision, kernels=chosen.kernels), seconds


def _noise(config: TrainConfig, device: torch.device) -> Tensor:
    n_channels = len(config.model.leads) + (N_PATIENT_FEATURES if config.model.patient else 0)
    shape = (min(config.batch_size, PROBE_WINDOWS), n_channels, config.model.window_length)
    return torch.randn(shape, device=device)
