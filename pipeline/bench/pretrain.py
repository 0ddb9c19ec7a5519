"""Steps of pretraining, each net against the reference system's step written straightforwardly, in one run.

Both work on the same windows, which are there already. Seconds are taken in rounds, one way after the other; memory in
a fresh process that does nothing but one step.
"""

import multiprocessing
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.models.pretraining_objectives import Windows, make_objective
from ecg12.ecg.models.stages import build_pretraining_net
from ecg12.ecg.signals.leads import LEADS
from ecg12.pipeline.bench.pretrain_baseline import make_baseline_step
from ecg12.pipeline.compute.autocast import DTYPES
from ecg12.pipeline.pretraining.step import PretrainStep
from ecg12.pipeline.runs.pretrain_config import PretrainConfig
from ecg12.pipeline.runtime.machine import peak_bytes
from ecg12.pipeline.runtime.progress import Progress, silent
from ecg12.pipeline.training.optimise import make_optimizer
from ecg12.pipeline.training.parameter_groups import group_parameters

NETS: Mapping[str, Mapping[str, Any]] = {
    "rnn": {"pretrain_model": "rnn"},
    "lstm": {"pretrain_model": "lstm"},
    "gru": {"pretrain_model": "gru"},
    "flipping": {"pretrain_model": "transformer"},
    "masking": {"pretrain_model": "transformer", "trans_train_type": "masking"},
    "transformerxl": {"pretrain_model": "transformerxl"},
    "cpc-lstm": {"pretrain_model": "cpc", "context": "lstm"},
    "cpc-s4d": {"pretrain_model": "cpc", "context": "s4d"},
    "mae": {"pretrain_model": "mae"},
}
BASELINE = "reference"

Step = Callable[[Tensor], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class PretrainRow:
    """A way of training a net; `way` is a precision, or "reference" for the straightforward step in float32.

    Attributes
    ----------
    seconds, processor_s : of a step, by round
    peak_bytes : of a process that does one step, with all that it imports; None where it was not measured
    """

    net: str
    way: str
    n_parameters: int | None
    batch_size: int
    seconds: list[float] = field(default_factory=list)
    processor_s: list[float] = field(default_factory=list)
    peak_bytes: int | None = None

    @property
    def rate(self) -> float:
        """Windows a second, at best."""
        return self.batch_size / min(self.seconds)


@dataclass(frozen=True, slots=True)
class PretrainResult:
    """What was measured; `ratio` compares a row with its net's baseline."""

    rows: list[PretrainRow]

    def ratio(self, row: PretrainRow, what: str = "seconds") -> float | None:
        """Median over rounds of the baseline's seconds (or processor_s) over the row's; None without a baseline."""
        base = next((other for other in self.rows if (other.net, other.way) == (row.net, BASELINE)), None)
        if base is None:
            return None
        pairs = zip(getattr(base, what), getattr(row, what), strict=True)
        return statistics.median(theirs / ours for theirs, ours in pairs)


def run(
    *,
    nets: Sequence[str] = tuple(NETS),
    ways: Sequence[str] = ("fp32", "bf16"),
    batch_size: int = 32,
    window_length: int = 4096,
    rounds: int = 3,
    memory: bool = True,
    options: Mapping[str, Any] | None = None,
    progress: Progress = silent,
) -> PretrainResult:
    """Measure.

    Parameters
    ----------
    nets : keys of `NETS`
    ways : precisions; the baseline is measured in any case
    rounds : of one step of each way of a net in turn; a first step of each does not count
    memory : measure the peak of each, too
    options : of every net: fields of `PretrainConfig` and its parts

    Raises
    ------
    ConfigError
        If a net or a precision is unknown, or windows do not suit a net.
    """
    for name, asked, known in (("nets", nets, tuple(NETS)), ("precisions", ways, tuple(DTYPES))):
        unknown = sorted(set(asked) - set(known))
        if unknown:
            raise ConfigError(f"{name} {', '.join(unknown)}; expected some of {', '.join(known)}")
    rows = []
    common = {"batch_size": batch_size, "window_length": window_length} | dict(options or {})
    with progress("bench pretrain", len(nets), "nets") as task:
        for net in nets:
            rows += _measure(net, ways, common, rounds, memory)
            task.advance()
    return PretrainResult(rows)


def _measure(net: str, ways: Sequence[str], common: Mapping[str, Any], rounds: int, memory: bool) -> list[PretrainRow]:
    config = PretrainConfig.from_flat({**common, **NETS[net]})
    steps = {way: make_step(net, way, common) for way in (BASELINE, *ways)}
    x = torch.randn(config.batch_size, len(LEADS), config.window_length, generator=torch.Generator().manual_seed(1))
    rows = {
        way: PretrainRow(
            net=net,
            way=way,
            n_parameters=None if way == BASELINE else _count(config),
            batch_size=config.batch_size,
            peak_bytes=_peak(net, way, common) if memory else None,
        )
        for way, step in steps.items()
        if step is not None
    }
    for number in range(rounds + 1):
        for way, row in rows.items():
            seconds, processor_s = _time(steps[way], x)
            if number:
                row.seconds.append(seconds)
                row.processor_s.append(processor_s)
    return list(rows.values())


def _count(config: PretrainConfig) -> int:
    net = build_pretraining_net(config.stage, len(LEADS), config.window_length)
    return sum(values.numel() for values in net.parameters())


def make_step(net: str, way: str, common: Mapping[str, Any]) -> Step | None:
    """One step of training on float32 (window, lead, sample) in this process; None where there is no baseline."""
    config = PretrainConfig.from_flat({**common, **NETS[net], **({} if way == BASELINE else {"precision": way})})
    torch.manual_seed(1)
    if way == BASELINE:
        return make_baseline_step(config.stage, len(LEADS), config.window_length)
    network = build_pretraining_net(config.stage, len(LEADS), config.window_length)
    objective = make_objective(config.stage, config.objective, n_leads=len(LEADS), window_length=config.window_length)
    optimizer = make_optimizer(
        group_parameters(network, lr=config.lr), name=config.optimizer, lr=config.lr, weight_decay=config.weight_decay
    )
    step = PretrainStep(network, objective, optimizer, config, torch.device("cpu"))
    step.begin_epoch()

    def on(x: Tensor) -> None:
        everything = torch.ones(len(x), x.shape[2], dtype=torch.bool)
        # every other row goes on with its record: more memory than a real corpus asks for
        reset = torch.arange(len(x)) % 2 == 0
        step.train_on(Windows(x, x, everything, reset))

    return on


def _time(step: Step | None, x: Tensor) -> tuple[float, float]:
    assert step is not None
    begun, processor = time.perf_counter(), time.process_time()
    step(x)
    return time.perf_counter() - begun, time.process_time() - processor


def _peak(net: str, way: str, common: Mapping[str, Any]) -> int | None:
    """Largest memory of a fresh process after one step; None where there is no such step, or it cannot be told."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure_peak, net, way, dict(common)).result()


def measure_peak(net: str, way: str, common: Mapping[str, Any]) -> int | None:
    """The peak of this process after one step."""
    step = make_step(net, way, common)
    if step is None:
        return None
    config = PretrainConfig.from_flat({**common, **NETS[net]})
    step(torch.randn(config.batch_size, len(LEADS), config.window_length))
    return peak_bytes()
