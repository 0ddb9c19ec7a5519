"""The default training beside the reference configuration's, in one run: windows a second, and time to a score.

Steps are timed in turn, one of either after the other on the same windows, by the clock and by processor time, which
other work on the machine lengthens less. Then both are trained, and the first epoch counts that reaches the score.
"""

import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import torch

from ecg12.cache.reader import Store
from ecg12.cache.several_stores import open_stores
from ecg12.pipeline.bench.processor import processor_seconds
from ecg12.pipeline.plugins.consent import consent_to
from ecg12.pipeline.runs.run_plugins import names_in
from ecg12.pipeline.runs.train_config import TrainConfig
from ecg12.pipeline.runtime.device import choose_device
from ecg12.pipeline.runtime.progress import Progress, silent
from ecg12.pipeline.training.begin_run import begin_or_resume, prepare_run
from ecg12.pipeline.training.configure import configure, spell
from ecg12.pipeline.training.epoch import TrainStep
from ecg12.pipeline.training.run_task import choose_task
from ecg12.pipeline.training.train import train
from ecg12.pipeline.training.train_rows import choose_rows

REFERENCE, DEFAULT = "reference", "default"


@dataclass(frozen=True, kw_only=True, slots=True)
class StepRow:
    """Steps of one configuration; rates are medians over pairs, ratios to the reference's of the same pair.

    Attributes
    ----------
    arithmetic : precision and kernels
    windows_per_second : by the clock
    processor_ms : for a window
    ratio, processor_ratio : how many times as fast as the reference configuration, by clock and by processor time
    """

    name: str
    arithmetic: str
    windows_per_second: float
    processor_ms: float
    ratio: float
    processor_ratio: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoreRow:
    """A training of one configuration.

    Attributes
    ----------
    seconds, processor_seconds : all of it, validation and the choice of precision included
    best : the highest figure, and best_epoch, counted from 1, is where
    epochs_to, seconds_to : until the figure was reached for the first time; None if it was not
    """

    name: str
    epochs: int
    seconds: float
    processor_seconds: float
    best: float
    best_epoch: int
    epochs_to: int | None
    seconds_to: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainBench:
    """What `run` found; `scores` is empty if nothing was trained."""

    steps: tuple[StepRow, ...]
    scores: tuple[ScoreRow, ...]


def run(
    stores: Path | Sequence[Path],
    *,
    pairs: int = 5,
    steps: int = 1,
    epochs: int = 0,
    figure: str = "auroc",
    target: float = 0.7,
    options: Mapping[str, Any] | None = None,
    model_options: Mapping[str, Any] | None = None,
    cuda: bool = False,
    progress: Progress = silent,
) -> TrainBench:
    """Measure.

    Parameters
    ----------
    pairs : of both configurations, the order turned round from pair to pair
    steps : of training on each side of a pair
    epochs : to train both for; 0 leaves that out
    figure, target : of the history, and what is to be reached
    options, model_options : of the default configuration; network sizes, seed and split go for both

    Raises
    ------
    ConfigError
        If an option makes no sense, or there is nothing to train on.
    """
    options, model_options = dict(options or {}), dict(model_options or {})
    kinds: dict[str, dict[str, Any]] = {
        REFERENCE: {"preset": "reference", "options": _shared(options), "model_options": _shared(model_options)},
        DEFAULT: {"preset": None, "options": options, "model_options": model_options},
    }
    store = open_stores(stores)
    rows = _time_steps(store, kinds, pairs, steps, choose_device(cuda=cuda), progress)
    scores: list[ScoreRow] = []
    for name, kind in kinds.items() if epochs else ():
        kind = kind | {"options": kind["options"] | {"epochs": epochs}}
        scores.append(_train(stores, name, kind, figure, target, cuda, progress))
    return TrainBench(steps=tuple(rows), scores=tuple(scores))


SHARED = frozenset({"seed", "valid_split", "n_total", "residency", "max_windows_per_record"} | {"valid_batch_size"})
SHARED_MODEL = frozenset({"net_filter_size", "net_seq_length", "kernel_size", "window_length"})


def _shared(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those that say what is trained on and how large the network is."""
    return {name: value for name, value in options.items() if name in SHARED | SHARED_MODEL}


def _time_steps(
    store: Store,
    kinds: Mapping[str, Mapping[str, Any]],
    pairs: int,
    steps: int,
    device: torch.device,
    progress: Progress,
) -> list[StepRow]:
    with tempfile.TemporaryDirectory() as folder:
        sides = {name: _Side(store, Path(folder) / name, kind, device) for name, kind in kinds.items()}
        with progress("bench train", 2 * (pairs + 1), "sides") as task:
            for number in range(pairs + 1):
                for side in list(sides.values())[:: 1 if number % 2 else -1]:
                    side.measure(steps, counts=number > 0)  # the first round warms up
                    task.advance()
    reference = sides[REFERENCE]
    return [side.row(name, reference) for name, side in sides.items()]


class _Side:
    """One configuration and its times."""

    def __init__(self, store: Store, folder: Path, kind: Mapping[str, Any], device: torch.device) -> None:
        folder.mkdir()
        task = choose_task(folder, kind["options"].get("task"))
        config = configure(folder, store, kind["options"], kind["model_options"], task=task, preset=kind["preset"])
        consent = consent_to(asked=names_in(*spell(kind["options"], kind["model_options"])))
        rows = choose_rows(store, folder, config, task)
        run = prepare_run(folder, store, task, config, rows, device, consent=consent)
        self.config: TrainConfig = run.config
        self.step: TrainStep = begin_or_resume(run)[1]
        self.step.begin_epoch()
        batches = [replace(batch, signal=batch.signal.clone()) for batch in islice(run.batches, 4)]
        self.batches = cycle([batch for batch in batches if len(batch) == config.batch_size] or batches)
        self.device = device
        self.seconds: list[float] = []
        self.processor: list[float] = []

    def measure(self, steps: int, *, counts: bool) -> None:
        """Take some steps; seconds are those of a window."""
        n_windows, begun, used = 0, time.perf_counter(), processor_seconds()
        for batch in islice(self.batches, steps):
            self.step(batch)
            n_windows += len(batch)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        if counts:
            self.seconds.append((time.perf_counter() - begun) / n_windows)
            self.processor.append((processor_seconds() - used) / n_windows)

    def row(self, name: str, reference: "_Side") -> StepRow:
        """What was measured, beside the reference of the same pairs."""
        return StepRow(
            name=name,
            arithmetic=f"{self.config.precision} {self.config.kernels}",
            windows_per_second=1 / statistics.median(self.seconds),
            processor_ms=1000 * statistics.median(self.processor),
            ratio=_ratio(reference.seconds, self.seconds),
            processor_ratio=_ratio(reference.processor, self.processor),
        )


def _ratio(before: Sequence[float], after: Sequence[float]) -> float:
    """Median over pairs."""
    return statistics.median(one / other for one, other in zip(before, after, strict=True))


def _train(
    stores: Path | Sequence[Path],
    name: str,
    kind: Mapping[str, Any],
    figure: str,
    target: float,
    cuda: bool,
    progress: Progress,
) -> ScoreRow:
    begun, used = time.perf_counter(), processor_seconds()
    reached: list[tuple[int, float]] = []

    def look(row: Mapping[str, float]) -> None:
        if row[figure] >= target and not reached:
            reached.append((int(row["epoch"]) + 1, time.perf_counter() - begun))

    with tempfile.TemporaryDirectory() as folder:
        summary = train(stores, folder=Path(folder) / name, cuda=cuda, progress=progress, report=look, **kind)
    values = [row[figure] for row in summary.history]
    best = max(values)
    return ScoreRow(
        name=name,
        epochs=len(values),
        seconds=time.perf_counter() - begun,
        processor_seconds=processor_seconds() - used,
        best=best,
        best_epoch=values.index(best) + 1,
        epochs_to=reached[0][0] if reached else None,
        seconds_to=reached[0][1] if reached else None,
    )
