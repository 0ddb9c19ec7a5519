"""`bench remote`: streaming from a store behind S3, against the same store on this machine and the server alone.

The server is on this machine and answers after a delay, as one far away does; it takes its share of the processor, and
what it alone can give, with as many requests at once and nothing decoded, is measured beside. All ways are measured in
turn, round after round.
"""

import http.client
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import torch

from ecg12.cache.reader import Store
from ecg12.cache.storage.location import Location, RemotePath, file_sizes, in_parallel
from ecg12.ecg.errors import RemoteError
from ecg12.ecg.signals.window import WindowConfig
from ecg12.pipeline.bench.loader import BATCH, open_store
from ecg12.pipeline.bench.row import Rounds
from ecg12.pipeline.bench.s3_loopback import BUCKET, s3_server
from ecg12.pipeline.loading.window_batches import WindowBatches
from ecg12.pipeline.runtime.allocator import keep_freed_memory
from ecg12.pipeline.runtime.progress import Progress, silent

LOCAL, REMOTE, SERVER = "stream, this machine", "stream, s3", "the server alone, nothing decoded"

_SCOPE = "bench/20200101/us-east-1/s3/aws4_request"
_SIGNED = {"Authorization": f"AWS4-HMAC-SHA256 Credential={_SCOPE}, SignedHeaders=host, Signature=0"}
"""moto wants a signature and does not look at it."""


@dataclass(kw_only=True, slots=True)
class RemoteRow(Rounds):
    """One way of having chunks or windows; `rates` are windows a second of each round."""

    what: str
    rates: list[float] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteBench:
    """What was measured; `first_batch_s` and `open_s` are of the remote store."""

    rows: tuple[RemoteRow, ...]
    n_bytes: int
    n_chunks: int
    open_s: float
    first_batch_s: float

    def row(self, what: str) -> RemoteRow:
        """The one that is called so."""
        return next(row for row in self.rows if row.what == what)


def run(
    *,
    n_records: int = 4000,
    connections: int = 4,
    delay_s: float = 0.05,
    folder: Path | None = None,
    rounds: int = 5,
    progress: Progress = silent,
) -> RemoteBench:
    """Measure.

    Parameters
    ----------
    n_records : ten-second records in the store
    connections : requests at once
    delay_s : before the server answers
    folder : keeps the store for the next run; None takes a temporary one
    rounds : of all ways, after one that warms up

    Raises
    ------
    ConfigError
        If the server's packages are not installed.
    InputError
        If `folder` holds another store.
    """
    keep_freed_memory()
    with ExitStack() as stack:
        url = stack.enter_context(s3_server(delay_s))
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        stack.callback(torch.set_num_threads, threads)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=folder)))
        local, _ = open_store(folder or work, n_records, progress)
        place = _upload(local, RemotePath(f"s3://{BUCKET}/ecg.zarr"))
        opened = time.perf_counter()
        store = Store(place)
        loader = _loader(store, connections)
        begun = time.perf_counter()
        next(iter(loader))
        first = time.perf_counter()
        ways = {
            LOCAL: _epochs(_loader(Store(local), connections)),
            REMOTE: _epochs(loader),
            SERVER: lambda: _fetch_all(url, place, store.n_chunks, connections) * len(loader.plan) // store.n_chunks,
        }
        rows = _measure(ways, rounds, progress)
        sizes = file_sizes(local)
    return RemoteBench(
        rows=rows,
        n_bytes=sum(size for name, size in sizes.items() if name.startswith("signal/c/")),
        n_chunks=store.n_chunks,
        open_s=begun - opened,
        first_batch_s=first - begun,
    )


def _upload(local: Path, place: RemotePath) -> RemotePath:
    in_parallel(lambda name: (place / name).write_bytes((local / name).read_bytes()), file_sizes(local))
    return place


def _loader(store: Store, connections: int) -> WindowBatches:
    loader = WindowBatches(store, np.arange(store.n_records), WindowConfig(), batch_size=BATCH, seed=1)
    loader.stored = replace(loader.stored, connections=connections)
    return loader


def _epochs(loader: WindowBatches) -> Callable[[], int]:
    epoch = iter(range(1, 10**9))

    def one_epoch() -> int:
        loader.set_epoch(next(epoch))
        return sum(len(batch) for batch in loader)

    return one_epoch


def _measure(ways: dict[str, Callable[[], int]], rounds: int, progress: Progress) -> tuple[RemoteRow, ...]:
    rows = {what: RemoteRow(what=what) for what in ways}
    with progress("bench remote", (rounds + 1) * len(ways), "runs") as task:
        for number in range(rounds + 1):
            for what, way in ways.items():
                begun = time.perf_counter()
                n_windows = way()
                if number:
                    rows[what].rates.append(n_windows / (time.perf_counter() - begun))
                task.advance()
    return tuple(rows.values())


def _fetch_all(url: str, place: Location, n_chunks: int, connections: int) -> int:
    """Every chunk by plain HTTP over so many connections that are kept alive; how many came."""
    address = urlsplit(url)
    key = str(place).partition("://")[2]

    def fetch(chunks: range) -> int:
        connection = http.client.HTTPConnection(address.hostname or "", address.port)
        try:
            for chunk in chunks:
                connection.request("GET", f"/{key}/signal/c/0/{chunk}", headers=_SIGNED)
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    raise RemoteError(f"{url}: status {answer.status} for chunk {chunk}; expected 200")
        finally:
            connection.close()
        return len(chunks)

    shares = [range(first, n_chunks, connections) for first in range(connections)]
    with ThreadPoolExecutor(connections) as pool:
        return sum(pool.map(fetch, shares))
