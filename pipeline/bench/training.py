"""Whether training waits: steps on a loader's batches against steps on one batch that is there, in pairs."""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, repeat
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ecg12.cache.reader import Store
from ecg12.ecg.labels.snomed import SCORED_CLASSES
from ecg12.ecg.models.build import build_model
from ecg12.ecg.models.config.model import ModelConfig
from ecg12.ecg.models.output_layers import SigmoidLayer
from ecg12.ecg.signals.window import WindowConfig
from ecg12.pipeline.compute.window_logits import to_input
from ecg12.pipeline.loading.batch import Batch
from ecg12.pipeline.loading.window_batches import WindowBatches
from ecg12.pipeline.runtime.progress import Progress, silent

BATCH = 32
SMALL: Mapping[str, Any] = {"net_filter_size": (24, 32, 48, 64), "net_seq_length": (1024, 256, 64, 16)}


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingRow:
    """A model on a residency: windows a second, over those with one resident batch.

    Attributes
    ----------
    ratio : median over pairs
    low, high : an interval for the median, from the sorted ratios
    confidence : that it covers the median
    waiting : share of the time that the loader made the training wait
    """

    model: str
    residency: str
    pairs: int
    rate: float
    ratio: float
    low: float
    high: float
    confidence: float
    waiting: float


def run(
    store_path: Path, *, pairs: int = 9, steps: Mapping[str, int], progress: Progress = silent
) -> list[TrainingRow]:
    """Measure.

    Parameters
    ----------
    pairs : of loader and resident batch, one after the other, the order turned round from pair to pair
    steps : "small" or "full" → steps of training on each side of a pair
    """
    store = Store(store_path)
    labels = store.column("label/scored").astype(np.float32)
    rows = []
    with progress("bench training", 2 * pairs * len(steps), "pairs") as task:
        for model, n_steps in steps.items():
            step = _training_step(SMALL if model == "small" else {})
            for residency in ("memory", "stream"):
                loader = WindowBatches(
                    store,
                    np.arange(store.n_records),
                    WindowConfig(),
                    batch_size=BATCH,
                    seed=1,
                    residency=residency,
                    labels=labels,
                )
                timer = _Timer(_endless(loader))
                resident = next(timer)
                _seconds(step, repeat(resident, 2))
                timer.waited_s = 0.0
                with_loader: list[float] = []
                with_one: list[float] = []
                for number in range(pairs):
                    sides: list[tuple[list[float], Iterator[Batch]]] = [
                        (with_loader, timer),
                        (with_one, repeat(resident)),
                    ]
                    for seconds, batches in sides if number % 2 else sides[::-1]:
                        seconds.append(_seconds(step, islice(batches, n_steps)))
                    task.advance()
                rows.append(_row(model, residency, n_steps, with_loader, with_one, timer.waited_s))
    return rows


class _Timer:
    """Passes batches on and adds up how long it waited for them."""

    def __init__(self, batches: Iterator[Batch]) -> None:
        self.batches = batches
        self.waited_s = 0.0

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        begun = time.perf_counter()
        batch = next(self.batches)
        self.waited_s += time.perf_counter() - begun
        return batch


def _endless(loader: WindowBatches) -> Iterator[Batch]:
    epoch = 0
    while True:
        loader.set_epoch(epoch)
        yield from (batch for batch in loader if len(batch) == BATCH)
        epoch += 1


def _training_step(options: Mapping[str, Any]) -> Callable[[Batch], None]:
    torch.manual_seed(1)
    config = ModelConfig(**options)
    network = build_model(config, len(SCORED_CLASSES)).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    cpu, output_layer = torch.device("cpu"), SigmoidLayer()

    def step(batch: Batch) -> None:
        loss = output_layer.compute_loss(network(to_input(batch, cpu, config.normalisation)), batch.label)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step


def _seconds(step: Callable[[Batch], None], batches: Iterator[Batch]) -> float:
    begun = time.perf_counter()
    for batch in batches:
        step(batch)
    return time.perf_counter() - begun


def _row(
    model: str, residency: str, n_steps: int, with_loader: list[float], with_one: list[float], waited_s: float
) -> TrainingRow:
    n = len(with_loader)
    ratios = sorted(one / loader for one, loader in zip(with_one, with_loader, strict=True))
    # the k-th lowest and k-th highest cover the median unless fewer than k lie on one side of it
    k = max((k for k in range(1, n // 2 + 1) if _coverage(n, k) >= 0.95), default=1)
    return TrainingRow(
        model=model,
        residency=residency,
        pairs=n,
        rate=BATCH * n_steps / statistics.median(with_loader),
        ratio=statistics.median(ratios),
        low=ratios[k - 1],
        high=ratios[-k],
        confidence=_coverage(n, k),
        waiting=waited_s / sum(with_loader),
    )


def _coverage(n: int, k: int) -> float:
    return 1 - 2 * sum(comb(n, j) for j in range(k)) / 2**n
