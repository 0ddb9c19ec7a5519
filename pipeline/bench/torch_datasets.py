"""`bench datasets`: the datasets for torch beside each other and beside the one that a user would write.

All are asked by torch's own `DataLoader`, in turn, round after round, for float32 windows in mV. Workers stay from
round to round, so that starting them does not count. Torch computes with one thread, as in a worker: two that put a
batch together wait for each other on a busy machine. The datasets are handed in: they belong to the front door.
"""

import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, RandomSampler

from ecg12.cache.reader import Store
from ecg12.ecg.signals.window import WindowConfig, cut_window, plan_windows
from ecg12.pipeline.bench.loader import BATCH, open_store
from ecg12.pipeline.bench.row import Rounds
from ecg12.pipeline.runtime.progress import Progress, silent

SLOW_WINDOWS = 3 * BATCH
"""A round of a way that decodes a chunk for each window takes so many; its rate does not depend on it."""

WORKERS = (0, 2)
STREAM = "Windows, which makes the batches"
NAIVE = "what one would write: read_record of an index; shuffle=True"


@dataclass(kw_only=True, slots=True)
class DatasetRow(Rounds):
    """One way of having shuffled batches, and the windows a second of each round.

    `n_workers` are the `DataLoader`'s; `n_windows` were taken in each round.
    """

    what: str
    n_workers: int
    n_windows: int
    rates: list[float] = field(default_factory=list)


class NaiveRecords(Dataset[Tensor]):
    """Each window by itself, of its record as the store reads it: each index decodes whatever chunk it lies in."""

    def __init__(self, store: Store) -> None:
        self.store, self.plan = store, plan_windows(store.lengths, WindowConfig())

    def __len__(self) -> int:
        return len(self.plan)

    def __getitem__(self, index: int) -> Tensor:
        plan, row = self.plan, int(self.plan.record[index])
        signal = self.store.read_record(row).astype(np.float32) / 1000
        window = np.empty((len(signal), plan.window_length), np.float32)
        cut_window(signal, int(plan.start[index]), int(plan.valid[index]), int(plan.pad[index]), window)
        return torch.from_numpy(window)


def run(
    make_stream: Callable[..., Any],
    make_indexed: Callable[..., Any],
    *,
    n_records: int = 8000,
    folder: Path | None = None,
    rounds: int = 3,
    progress: Progress = silent,
) -> tuple[DatasetRow, ...]:
    """Measure.

    Parameters
    ----------
    make_stream, make_indexed : the datasets, such as `ecg12.Windows` and `ecg12.IndexedWindows`
    n_records : ten-second records in the store
    folder : keeps the store for the next run; None takes a temporary one
    rounds : beside one that warms up and does not count

    Raises
    ------
    InputError
        If `folder` holds another store.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with ExitStack() as stack:
        stack.callback(torch.set_num_threads, threads)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=folder)))
        path, _ = open_store(folder or work, n_records, progress)
        ways = {
            (what, n_workers): way
            for n_workers in WORKERS
            for what, way in _ways(path, make_stream, make_indexed, n_workers).items()
        }
        rows: dict[tuple[str, int], DatasetRow] = {}
        with progress("bench datasets", (rounds + 1) * len(ways), "runs") as task:
            for number in range(rounds + 1):
                for (what, n_workers), way in ways.items():
                    begun = time.perf_counter()
                    n = way(number)
                    row = rows.setdefault((what, n_workers), DatasetRow(what=what, n_workers=n_workers, n_windows=n))
                    if number:
                        row.rates.append(n / (time.perf_counter() - begun))
                    task.advance()
    return tuple(rows.values())


def _ways(
    path: Path, make_stream: Callable[..., Any], make_indexed: Callable[..., Any], n_workers: int
) -> Mapping[str, Callable[[int], int]]:
    """What it is → a round of it, whose number chooses the order; it gives back how many windows it had."""
    batches, windows = make_stream(path, batch_size=BATCH), make_stream(path)
    indexed, of_chunks = make_indexed(path, keep="memory"), make_indexed(path, keep="chunks")
    naive = NaiveRecords(Store(path))
    sampler = of_chunks.batch_sampler(BATCH, n_workers=n_workers)

    def some(dataset: Dataset[Any]) -> RandomSampler:
        return RandomSampler(dataset, num_samples=SLOW_WINDOWS)  # type: ignore[arg-type]

    def load(dataset: Any, **options: Any) -> DataLoader[Any]:  # noqa: ANN401 - torch's options
        kept = {"persistent_workers": True} if n_workers else {}
        return DataLoader(dataset, num_workers=n_workers, **(kept | options))

    loaders: dict[str, tuple[DataLoader[Any], Any]] = {
        STREAM: (load(batches, batch_size=None), batches),
        "Windows, one by one": (load(windows, batch_size=BATCH), windows),
        "IndexedWindows in memory; shuffle=True": (load(indexed, batch_size=BATCH, shuffle=True), None),
        "IndexedWindows of chunks; its batch_sampler": (load(of_chunks, batch_sampler=sampler), sampler),
        "IndexedWindows of chunks; shuffle=True": (load(of_chunks, batch_size=BATCH, sampler=some(of_chunks)), None),
        NAIVE: (load(naive, batch_size=BATCH, sampler=some(naive)), None),
    }

    def a_round(loader: DataLoader[Any], epochs: Any) -> Callable[[int], int]:  # noqa: ANN401 - has set_epoch
        def go_through(number: int) -> int:
            if epochs is not None:
                epochs.set_epoch(number)
            return _count(loader)

        return go_through

    return {what: a_round(*pair) for what, pair in loaders.items()}


def _count(batches: Iterable[Any]) -> int:
    """Windows of all batches, each let go of before the next one."""
    return sum(len(batch["signal"] if isinstance(batch, dict) else batch) for batch in batches)
