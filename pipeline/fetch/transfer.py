"""Fetching many files over HTTP: in parallel, resumed, retried, each proven by its digest before it has its name.

aiohttp does the transfer: tried against httpx, requests and urllib3 in threads, it costs the least processor time
for a small file (see docs/benchmarks.md), streams, keeps connections alive and reads the usual proxy variables. What it
leaves open is here: resuming, retries, hosts, digests, and redirects that never leave http(s), nor TLS.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import aiohttp

from ecg import __version__
from ecg.errors import ConfigError
from pipeline.fetch.hosts import Host, Hosts
from pipeline.fetch.partial import Partial
from pipeline.fetch.request import Client, FailedTry, fetch_rest
from pipeline.progress import Task

logger = logging.getLogger(__name__)

PROGRESS_RESETS_TRIES_BYTES = 64 * 1024
"""A try that got so much further than any before does not count as failed: a bad line is survived by patience."""

WRONG_DIGESTS_BEFORE_NEXT_HOST = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class TransferConfig:
    """How hard a transfer tries.

    Attributes
    ----------
    connections : kept alive and used at once, 1 to 256
    connect_timeout_s, read_timeout_s : for a connection, and for the next bytes on it
    tries, tries_before_next_host : without progress, on the last host and while another one is left
    first_wait_s, longest_wait_s : before a new try; doubled each time, times a random 0.5 to 1
    longest_retry_after_s : a server that asks for a longer pause counts as not available
    """

    connections: int = 16
    connect_timeout_s: float = 30.0
    read_timeout_s: float = 60.0
    tries: int = 20
    tries_before_next_host: int = 4
    first_wait_s: float = 0.5
    longest_wait_s: float = 30.0
    longest_retry_after_s: float = 300.0

    def __post_init__(self) -> None:
        if not 1 <= self.connections <= 256:
            raise ConfigError(f"connections is {self.connections}; expected 1 to 256")


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """A file to fetch.

    Attributes
    ----------
    path : where it goes
    name : posix path on every host, or a whole address
    algorithm : of the digest, as in hashlib
    accepted : the digests that are right, in hex; empty = none was published, and any is taken
    expected_bytes : for progress only
    refuse_html : a web page is an error: what a host shows instead of a file that has moved
    patient : try long on the last host; not for a first contact, which tells soon that there is no network
    """

    path: Path
    name: str
    algorithm: str = "sha256"
    accepted: tuple[str, ...] = ()
    expected_bytes: int = 0
    refuse_html: bool = False
    patient: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetched:
    """A file that is in its place; `origin` is the host, or the folder, that it came from."""

    wanted: Wanted
    size: int
    hexdigest: str
    origin: str


class Fetcher(Protocol):
    """Brings files: from hosts, or from a folder on disk."""

    @property
    def notes(self) -> list[str]:
        """What the user should know of how it went."""

    def fetch(
        self,
        wanted: Sequence[Wanted],
        task: Task,
        on_done: Callable[[Fetched], None],
        on_failed: Callable[[Wanted, str], None],
    ) -> None:
        """Bring each file, in any order, and tell each outcome once."""


class HttpFetcher:
    """Brings files from the first host that has them."""

    def __init__(self, hosts: Hosts, config: TransferConfig) -> None:
        self.hosts = hosts
        self.config = config

    @property
    def notes(self) -> list[str]:
        """Hosts given up."""
        return self.hosts.notes

    def fetch(
        self,
        wanted: Sequence[Wanted],
        task: Task,
        on_done: Callable[[Fetched], None],
        on_failed: Callable[[Wanted, str], None],
    ) -> None:
        """Bring each file, in any order, and tell each outcome once.

        A KeyboardInterrupt and errors of the disk come through; `.part` files stay for the next run.
        """
        if wanted:
            asyncio.run(self._fetch_all(wanted, _Meter(task, wanted), on_done, on_failed))

    async def _fetch_all(
        self,
        wanted: Sequence[Wanted],
        meter: "_Meter",
        on_done: Callable[[Fetched], None],
        on_failed: Callable[[Wanted, str], None],
    ) -> None:
        queue = iter(wanted)
        n_workers = min(self.config.connections, len(wanted))
        async with _make_session(self.config) as session:
            client = Client(session)
            workers = [
                asyncio.create_task(self._work(client, queue, meter, on_done, on_failed)) for _ in range(n_workers)
            ]
            try:
                await asyncio.gather(*workers)
            finally:
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)

    async def _work(
        self,
        client: Client,
        queue: Iterator[Wanted],
        meter: "_Meter",
        on_done: Callable[[Fetched], None],
        on_failed: Callable[[Wanted, str], None],
    ) -> None:
        for wanted in queue:
            outcome = await self._fetch_one(client, wanted, meter)
            meter.file_ended(wanted)
            if isinstance(outcome, Fetched):
                on_done(outcome)
            else:
                on_failed(wanted, outcome)

    async def _fetch_one(self, client: Client, wanted: Wanted, meter: "_Meter") -> Fetched | str:
        """The file, or why no host gave it."""
        partial = Partial(path=wanted.path, algorithm=wanted.algorithm)
        partial.open()
        reasons = []
        try:
            for host in self.hosts.hosts:
                if host.given_up is None:
                    try:
                        await self._fetch_from(client, host, wanted, partial, meter)
                    except FailedTry as error:
                        reasons.append(f"{host.name}: {error}")
                        self.hosts.file_failed(host, str(error), absent=error.absent, fatal=error.host_unusable)
                        continue
                    self.hosts.file_came(host)
                    size, hexdigest = partial.size, partial.hexdigest()
                    partial.finish()
                    return Fetched(wanted=wanted, size=size, hexdigest=hexdigest, origin=host.name)
        finally:
            partial.close()
        given_up = [f"{host.name}: given up ({host.given_up})" for host in self.hosts.hosts if host.given_up]
        return "; ".join(reasons or given_up)

    async def _fetch_from(self, client: Client, host: Host, wanted: Wanted, partial: Partial, meter: "_Meter") -> None:
        """Try until the whole file is in `partial` with a right digest; raises the FailedTry that was one too many."""
        furthest, failed, n_wrong = partial.size, 0, 0
        while True:
            try:
                await _wait_for(host)
                await fetch_rest(
                    client, host.url_of(wanted.name), partial, meter.advance, refuse_html=wanted.refuse_html
                )
                if not wanted.accepted or partial.hexdigest() in wanted.accepted:
                    return
                n_wrong += 1
                meter.advance(-partial.size)
                self._refuse_digest(wanted, partial, last=n_wrong >= WRONG_DIGESTS_BEFORE_NEXT_HOST)
                continue
            except FailedTry as error:
                if partial.size >= furthest + PROGRESS_RESETS_TRIES_BYTES:
                    furthest, failed = partial.size, 0
                failed += 1
                patient = wanted.patient and self.hosts.is_last(host)
                enough = self.config.tries if patient else self.config.tries_before_next_host
                if not error.retriable or failed >= enough or host.given_up is not None:
                    raise
                self.hosts.try_failed(host, str(error), failed)
                await self._wait_after(error, host, failed)

    def _refuse_digest(self, wanted: Wanted, partial: Partial, *, last: bool) -> None:
        """Drop bytes with a wrong digest and try anew, or, the `last` time, keep them as `.bad` and raise."""
        found, expected = partial.hexdigest(), " or ".join(wanted.accepted)
        said = f"{wanted.algorithm} {found}; expected {expected}"
        if not last:
            logger.info("%s: %s; fetching it anew", wanted.path, said)
            partial.start_anew()
            return
        bad = partial.keep_as_bad()
        raise FailedTry(f"{said}; the wrong file is kept as {bad}", retriable=False, absent=True)

    async def _wait_after(self, error: FailedTry, host: Host, failed: int) -> None:
        config = self.config
        wait = min(config.first_wait_s * 2 ** (failed - 1), config.longest_wait_s) * random.uniform(0.5, 1.0)
        if error.retry_after_s is not None:
            if error.retry_after_s > config.longest_retry_after_s:
                raise FailedTry(f"{error}, and asks to wait {error.retry_after_s:.0f} s", retriable=False) from error
            host.pause(error.retry_after_s)  # for every connection: all of them were asked to wait
        await asyncio.sleep(wait)


async def _wait_for(host: Host) -> None:
    while wait := host.wait_s():
        await asyncio.sleep(wait)


def _make_session(config: TransferConfig) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=config.connections),
        timeout=aiohttp.ClientTimeout(
            total=None, sock_connect=config.connect_timeout_s, sock_read=config.read_timeout_s
        ),
        headers={"User-Agent": f"ecg12/{__version__}", "Accept-Encoding": "identity"},
        auto_decompress=False,  # a server that labels .gz files as encoded would hand out other bytes
        read_bufsize=256 * 1024,
    )


class _Meter:
    """Bytes and files for the progress bar; its total follows the true lengths as they are known."""

    def __init__(self, task: Task, wanted: Sequence[Wanted]) -> None:
        self.task = task
        self.n_files = len(wanted)
        self.n_ended = 0
        self.n_bytes = 0
        self.left = sum(one.expected_bytes for one in wanted)

    def advance(self, n_bytes: int) -> None:
        self.n_bytes += n_bytes
        self.task.advance(n_bytes)

    def file_ended(self, wanted: Wanted) -> None:
        self.n_ended += 1
        self.left -= wanted.expected_bytes
        self.task.expect(self.n_bytes + max(self.left, 0))
        self.task.advance(0, files=f"{self.n_ended:,}/{self.n_files:,}")
