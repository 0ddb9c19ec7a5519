"""In which precision and form a network runs: as was asked for, or the faster of two ways that are timed here.

"auto" times steps of the configured network in float32 and in bfloat16, once, when a run begins. What it chose stands
in the run's configuration from then on, so that a continued run does the same. Everything else follows from the
device alone, not from the clock: two runs must not differ in their last digits because the machine was busy.
"""

import logging
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.models.networks.convolution import FORMS, Convolution
from ecg12.ecg.models.networks.half_precision_stage import HalfStage, HasPrecision
from ecg12.ecg.models.networks.recurrent_nets import keeps_float32
from ecg12.ecg.models.networks.resnet import ResNet1d
from ecg12.pipeline.runtime.option_names import KERNELS, PRECISIONS, check_choice

logger = logging.getLogger(__name__)

DTYPES: Mapping[str, torch.dtype | None] = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
LARGEST_SHARE = 0.8
"""Bfloat16 is chosen if a step takes at most this share of the float32 step's time; close calls go to float32."""

SMALLEST_PRODUCTS = 30_000_000
"""Multiplications for a window below which a network stays in float32: its time goes elsewhere."""

SMALLEST_PARAMETERS = 300_000
"""Parameters below which a pretrained stage, or a net that is pretrained, stays in float32 for the same reason."""

TIMED_WINDOWS = 8
"""In a step that is timed, at most: what matters is the ratio, which is that of a full batch to a few hundredths."""

PROBE_ROUNDS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Arithmetic:
    """A way to run a network; "auto" leaves it open."""

    precision: str = "auto"
    kernels: str = "auto"

    def __post_init__(self) -> None:
        check_choice("precision", self.precision, PRECISIONS)
        check_choice("kernels", self.kernels, KERNELS)

    def apply(self, network: nn.Module) -> None:
        """Let a network run like this; neither field may be "auto"."""
        for module in network.modules():
            if isinstance(module, ResNet1d):
                module.form = FORMS[0] if self.kernels == "plain" else FORMS[1]
                module.dtype = DTYPES[self.precision]
            elif isinstance(module, HasPrecision):
                module.dtype = DTYPES[self.precision]
            elif isinstance(module, Convolution):
                module.folds = self.kernels == "folded"


def choose_arithmetic(
    wanted: Arithmetic, network: nn.Module, device: torch.device, time_step: Callable[[Arithmetic], float]
) -> tuple[Arithmetic, dict[str, float]]:
    """What `wanted` leaves open, decided.

    Parameters
    ----------
    network : the one to run
    time_step : takes a step and gives its seconds; it is called only for precision "auto"

    Returns
    -------
    the way to run, and the seconds of the steps that were timed, by precision

    Raises
    ------
    ConfigError
        If bfloat16 is asked for on a GPU that has not got it, or float16 on a CPU.
    """
    has_bf16 = device.type == "cpu" or torch.cuda.is_bf16_supported(including_emulation=False)
    if wanted.precision == "bf16" and not has_bf16:
        raise ConfigError("precision is 'bf16', which this GPU has not got; expected fp32 or fp16")
    if wanted.precision == "fp16" and device.type == "cpu":
        raise ConfigError("precision is 'fp16' on the CPU; expected fp32 or bf16, or --cuda with it")
    if wanted.precision != "auto":
        tell_what_keeps_float32(_half_stages(network), device, wanted.precision)
        return _with_kernels(wanted, wanted.precision, device), {}
    if not has_bf16 or not _is_large(network):
        return _with_kernels(wanted, "fp32", device), {}
    ways = {name: _with_kernels(wanted, name, device) for name in ("fp32", "bf16")}
    best, seconds = choose_faster(lambda name: time_step(ways[name]))
    tell_what_keeps_float32(_half_stages(network), device, best)
    return ways[best], seconds


def _half_stages(network: nn.Module) -> list[nn.Module]:
    """The parts that run under autocast."""
    return [module for module in network.modules() if isinstance(module, HalfStage) and isinstance(module, nn.Module)]


def tell_what_keeps_float32(nets: Sequence[nn.Module], device: torch.device, precision: str) -> None:
    """Say so, in a line, if a layer of some nets that run under autocast cannot run in `precision` here."""
    dtype = DTYPES[precision]
    if dtype is not None and any(keeps_float32(net, device.type, dtype) for net in nets):
        logger.warning(
            "precision is %r, which this processor's LSTM has not got: LSTM layers run in float32, all else in %r",
            precision,
            precision,
        )


def choose_faster(time_step: Callable[[str], float]) -> tuple[str, dict[str, float]]:
    """The precision of the faster steps, bfloat16 only where it is clear; and the seconds of the best step of each."""
    seconds = dict.fromkeys(("fp32", "bf16"), float("inf"))
    # in turn, so that a busy moment falls on both, and the best of each; the first is never the best
    for _ in range(PROBE_ROUNDS):
        for name, least in seconds.items():
            try:
                seconds[name] = min(least, time_step(name))
            except RuntimeError as error:
                if name == "fp32":
                    raise
                logger.warning("bfloat16 does not run here (%s); float32 is taken", str(error).partition("\n")[0])
                return "fp32", {"fp32": round(seconds["fp32"], 5)}
    best = "bf16" if seconds["bf16"] <= LARGEST_SHARE * seconds["fp32"] else "fp32"
    return best, {name: round(value, 5) for name, value in seconds.items()}


def _is_large(network: nn.Module) -> bool:
    """Whether so much of a network's time goes into products that their precision may matter."""
    n_products = sum(module.n_products for module in network.modules() if isinstance(module, ResNet1d))
    largest = max(map(count_parameters, _half_stages(network)), default=0)
    return n_products >= SMALLEST_PRODUCTS or largest >= SMALLEST_PARAMETERS


def count_parameters(network: nn.Module) -> int:
    """All of a network's numbers that training changes."""
    return sum(values.numel() for values in network.parameters())


def _with_kernels(wanted: Arithmetic, precision: str, device: torch.device) -> Arithmetic:
    kernels = choose_kernels(precision, device) if wanted.kernels == "auto" else wanted.kernels
    return Arithmetic(precision=precision, kernels=kernels)


def choose_kernels(precision: str, device: torch.device) -> str:
    """The kernels that were fastest on such a device.

    Folded gradients make up for slow ones of bfloat16 on processors without matrix units (AMX).
    """
    if device.type == "cpu" and precision == "bf16" and not has_matrix_units():
        return "folded"
    return "flat"


def has_matrix_units() -> bool:
    """Whether this processor multiplies matrices of bfloat16 by itself (AMX)."""
    return bool(torch.cpu.get_capabilities().get("amx_bf16", False))


def compile_network(network: nn.Module) -> None:
    """Let torch compile the ResNet when it is first called; names and weights stay as they are.

    Raises
    ------
    ConfigError
        If there is no compiler for the code that torch writes for a CPU.
    """
    if shutil.which(os.environ.get("CXX", "g++")) is None and next(network.parameters()).device.type == "cpu":
        raise ConfigError("compile is set, but there is no C++ compiler g++ here; install it, or leave --compile out")
    for module in network.modules():
        if isinstance(module, ResNet1d):
            module.compile()


def seconds_of(work: Callable[[], object], device: torch.device) -> float:
    """Time of some work: this process's own on a CPU, whatever else the machine does; the clock's on a GPU."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    begun = clock()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock() - begun
