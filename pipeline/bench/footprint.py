"""Memory that a streamed epoch takes, memory and time that planning one takes; each in a process of its own."""

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecg12.cache.reader import Store
from ecg12.ecg.signals.window import WindowConfig, plan_windows
from ecg12.pipeline.loading.epoch_order import choose_windows, order_resident, order_streamed
from ecg12.pipeline.loading.window_batches import BUFFER_CHUNKS, WINDOWS_OF_A_RECORD, WindowBatches
from ecg12.pipeline.runtime.machine import peak_bytes

RECORD_SAMPLES, CHUNK_LENGTH = 4000, 262_144


@dataclass(frozen=True, kw_only=True, slots=True)
class Footprint:
    """Of something done in a fresh process: its time, its peak memory, and that of a process that has only begun."""

    seconds: float
    peak_bytes: int
    begun_bytes: int


def of_a_streamed_epoch(store: Path, n_batches: int = 2000) -> Footprint:
    """Peak memory of a process that takes batches of a whole store from `stream`."""
    return _in_a_fresh_process(_stream, store, n_batches)


def of_the_first_batch(store: Path) -> Footprint:
    """Time from opening a store to the first batch of `stream`, libraries being imported already."""
    return _in_a_fresh_process(_stream, store, 1)


def of_a_plan(n_records: int, *, streamed: bool) -> Footprint:
    """Time and peak memory of planning windows and order for a table of so many ten-second records."""
    return _in_a_fresh_process(_plan, n_records, streamed)


def _in_a_fresh_process(work: Callable[..., float], *arguments: Any) -> Footprint:  # noqa: ANN401 - as they are
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_footprint, work, arguments).result()


def _footprint(work: Callable[..., float], arguments: tuple[Any, ...]) -> Footprint:
    begun = peak_bytes() or 0
    seconds = work(*arguments)
    return Footprint(seconds=seconds, peak_bytes=peak_bytes() or 0, begun_bytes=begun)


def _stream(path: Path, n_batches: int) -> float:
    begun = time.perf_counter()
    store = Store(path)
    labels = store.column("label/scored").astype(np.float32)
    batches = WindowBatches(store, np.arange(store.n_records), WindowConfig(), batch_size=32, seed=1, labels=labels)
    for _, _ in zip(range(n_batches), batches, strict=False):
        pass
    return time.perf_counter() - begun


def _plan(n_records: int, streamed: bool) -> float:
    rng = np.random.default_rng(1)
    # rows come in the order of names, places in that of their hashes
    starts = rng.permutation(n_records)
    starts *= RECORD_SAMPLES
    lengths = np.full(n_records, RECORD_SAMPLES)
    begun = time.perf_counter()
    plan = plan_windows(lengths, WindowConfig())
    selected = choose_windows(plan.record, 8, seed=1, epoch=0)
    if streamed:
        chunk = (starts[plan.record] + plan.start) // CHUNK_LENGTH
        order = order_streamed(
            selected,
            chunk[selected],
            plan.record[selected],
            seed=1,
            epoch=0,
            buffer_windows=BUFFER_CHUNKS * 64,
            windows_of_a_record=WINDOWS_OF_A_RECORD,
        )
    else:
        order = order_resident(selected, seed=1, epoch=0)
    assert len(order.windows) == n_records
    return time.perf_counter() - begun
