"""What options of training and pretraining may be: the names alone, so that a configuration needs no torch."""

from collections.abc import Sequence

from ecg12.ecg.errors import ConfigError

OPTIMIZERS = ("adamw", "adam")
SCHEDULES = ("one_cycle", "steps")

PRECISIONS = ("auto", "fp32", "bf16", "fp16")
KERNELS = ("auto", "plain", "flat", "folded")
"""How convolutions run: in one of the two forms of `ecg.models.networks.convolution`, or flat with folded gradients."""

RESIDENCIES = ("auto", "stream", "memory", "device")


def check_choice(name: str, value: str, allowed: Sequence[str]) -> None:
    """Raise ConfigError if `value` is none of those allowed."""
    if value not in allowed:
        raise ConfigError(f"{name} is {value!r}; expected {', '.join(allowed)}")


def check_residency(wanted: str) -> None:
    """Raise ConfigError if there is no such residency."""
    if wanted not in RESIDENCIES:
        raise ConfigError(f"residency is {wanted!r}; expected {', '.join(RESIDENCIES)}")
