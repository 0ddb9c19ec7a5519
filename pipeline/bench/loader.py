"""`bench loader`: windows a second from a store, against what a user would write and against memory itself.

All ways are measured in turn, round after round, and the best round of each counts, beside the median: other work on
the machine only ever slows. Torch computes with one thread here, so that both cores are the loader's, and freed memory
is kept, as training does; the baseline has a process of its own, where nothing is set.
"""

import multiprocessing
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch

from ecg12.cache.chunk_reader import ChunkReader
from ecg12.cache.reader import Store
from ecg12.cache.schema import StoreConfig
from ecg12.cache.several_stores import members_of, open_stores
from ecg12.ecg.models.normalise import to_network_input
from ecg12.ecg.signals.window import WindowConfig
from ecg12.pipeline.bench import rivals
from ecg12.pipeline.bench.pool import POOL_RECORDS, check_kept, simulate_pool, write_pool, write_pool_store
from ecg12.pipeline.bench.row import Rounds
from ecg12.pipeline.loading.batch import Batch
from ecg12.pipeline.loading.window_batches import WindowBatches
from ecg12.pipeline.runtime.allocator import keep_freed_memory
from ecg12.pipeline.runtime.progress import Progress, silent

BATCH = 32
SLOW_WINDOWS = 512
"""A round of the slow ways takes so many; their rate does not depend on it."""

RESIDENCIES = ("stream", "memory", "device")


@dataclass(kw_only=True, slots=True)
class LoaderRow(Rounds):
    """One way of having batches, and what each round gave.

    Attributes
    ----------
    what : in words
    gives : "int16" or "float32"
    rates : windows a second, of each round
    processor_us : processor time a window, of each round, µs; not of what runs in another process
    """

    what: str
    gives: str
    rates: list[float] = field(default_factory=list)
    processor_us: list[float] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True, slots=True)
class LoaderBench:
    """What was measured.

    Attributes
    ----------
    rows : in the order measured
    zarr_ms, checked_ms, unchecked_ms : decoding a chunk through zarr, directly with both its checksums, and without
    """

    rows: tuple[LoaderRow, ...]
    zarr_ms: float
    checked_ms: float
    unchecked_ms: float

    def row(self, what: str) -> LoaderRow:
        """The one that is called so."""
        return next(row for row in self.rows if row.what == what)


CEILING, BASELINE = "numpy, signals in memory (d)", "DataLoader, loadmat, resample_poly; 0 workers (b)"


def open_store(folder: Path, n_records: int, progress: Progress) -> tuple[Path, list[Path]]:
    """The benchmark's store and files in `folder`, made unless they are there.

    Raises
    ------
    InputError
        If the store there is another one.
    """
    config = StoreConfig()
    path, files = folder / f"pool-{n_records}.zarr", folder / "mat"
    if path.exists():
        check_kept(path, Store(path).attributes, n_records, config)
        return path, sorted(files.iterdir())
    pool = simulate_pool(POOL_RECORDS, progress=progress)
    paths = write_pool(files, pool)
    write_pool_store(path, pool, n_records, config, progress=progress)
    return path, paths


def run(
    *, n_records: int = 8000, folder: Path | None = None, rounds: int = 5, progress: Progress = silent
) -> LoaderBench:
    """Measure.

    Parameters
    ----------
    n_records : ten-second records in the store
    folder : keeps the store for the next run; None takes a temporary one
    rounds : of which the first warms up and does not count

    Raises
    ------
    InputError
        If `folder` holds another store.
    """
    keep_freed_memory()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with ExitStack() as stack:
        stack.callback(torch.set_num_threads, threads)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=folder)))
        path, files = open_store(folder or work, n_records, progress)
        store = Store(path)
        plain = stack.enter_context(ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")))
        ways = _ways(store, tuple(files), work, plain)
        rows = {name: LoaderRow(what=name[0], gives=name[1]) for name in ways}
        with progress("bench loader", (rounds + 1) * len(ways), "runs") as task:
            for number in range(rounds + 1):
                for name, way in ways.items():
                    if number:
                        _measure(rows[name], way)
                    else:
                        way()
                    task.advance()
        decoding = _decoding_ms(store)
    return LoaderBench(rows=tuple(rows.values()), **decoding)


def _measure(row: LoaderRow, way: Callable[[], int]) -> None:
    begun, processor = time.perf_counter(), time.process_time()
    n = way()
    row.rates.append(n / (time.perf_counter() - begun))
    row.processor_us.append(1e6 * (time.process_time() - processor) / n)


def _ways(
    store: Store, files: tuple[Path, ...], work: Path, plain: ProcessPoolExecutor
) -> dict[tuple[str, str], Callable[[], int]]:
    """(what, gives) → a round of it, which gives back how many windows it had; the baseline's is in a plain process."""
    every = np.arange(store.n_records)
    loaders = {
        residency: WindowBatches(store, every, WindowConfig(), batch_size=BATCH, seed=1, residency=residency)
        for residency in RESIDENCIES
    }
    stored = loaders["memory"].stored
    signal = np.concatenate([store.read_chunk(chunk) for chunk in range(store.n_chunks)], axis=1)
    cut = next(
        iter(WindowBatches(store, every, WindowConfig(), batch_size=len(every), residency="memory"))
    ).signal.numpy()
    rng = np.random.default_rng(1)
    n_slow = min(SLOW_WINDOWS, store.n_records // 2)  # a record has one window
    naive = rivals.write_naive(
        work / "naive.zarr", (batch.signal for batch in loaders["stream"]), 2 * n_slow, stored.shape
    )
    epoch = iter(range(1, 10**9))

    def of(loader: WindowBatches, *, convert: bool) -> Callable[[], int]:
        def one_epoch() -> int:
            loader.set_epoch(next(epoch))
            return sum(len(_to_mv(batch) if convert else batch) for batch in loader)

        return one_epoch

    ways: dict[tuple[str, str], Callable[[], int]] = {
        (CEILING, "float32"): lambda: rivals.count(
            lambda: rivals.gathered(signal, stored.column, stored.plan, rng.permutation(len(every)), batch_size=BATCH)
        ),
        ("numpy, cut windows in memory", "float32"): lambda: rivals.count(
            lambda: rivals.taken(cut, rng.permutation(len(every)), batch_size=BATCH)
        ),
    }
    for residency, loader in loaders.items():
        ways[residency, "int16"] = of(loader, convert=False)
        ways[residency, "float32"] = of(loader, convert=True)
    ways["zarr, one window a chunk (c)", "int16"] = lambda: rivals.count(
        lambda: rivals.naive_batches(naive, rng.permutation(2 * n_slow)[:n_slow], batch_size=BATCH)
    )
    for workers in (0, 2):
        name = BASELINE.replace("0 w", f"{workers} w")
        ways[name, "float32"] = partial(_in_another, plain, files[:SLOW_WINDOWS], workers)
    return ways


def _in_another(process: ProcessPoolExecutor, paths: tuple[Path, ...], workers: int) -> int:
    return process.submit(rivals.count_file_batches, paths, BATCH, workers).result()


def _to_mv(batch: Batch) -> torch.Tensor:
    return to_network_input(batch.signal, batch.valid, batch.pad, batch.scale, normalisation="none")


def _decoding_ms(store: Store, n_chunks: int = 40, repeats: int = 5) -> dict[str, float]:
    """The best of several goes over the same chunks."""
    chunks = range(min(n_chunks, store.n_chunks))
    out = np.empty((len(store.leads), store.chunk_length), np.int16)
    unchecked = ChunkReader(store, check=False)
    best = dict.fromkeys(("zarr_ms", "checked_ms", "unchecked_ms"), float("inf"))
    for _ in range(repeats):
        checked = ChunkReader(open_stores([one.path for one in members_of(store)]))  # which has proven none yet
        for name, read in (
            ("zarr_ms", store.read_chunk),
            ("checked_ms", lambda chunk, checked=checked: checked.read(chunk, out)),
            ("unchecked_ms", lambda chunk: unchecked.read(chunk, out)),
        ):
            begun = time.perf_counter()
            for chunk in chunks:
                read(chunk)
            best[name] = min(best[name], 1000 * (time.perf_counter() - begun) / len(chunks))
    return best
