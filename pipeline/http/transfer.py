"""Fetching many files over HTTP: in parallel, resumed, retried, each proven by its digest before it has its name.

aiohttp does the transfer: tried against httpx, requests and urllib3 in threads, it costs the least processor time
for a small file (see docs/benchmarks.md), streams, keeps connections alive and reads the usual proxy variables. What it
leaves open is here: resuming, retries, hosts, digests, and redirects that never leave http(s), nor TLS.
"""

import asyncio
import hashlib
import logging
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import aiohttp

from ecg12.ecg.errors import DownloadError
from ecg12.ecg.version import __version__
from ecg12.pipeline.http.content_encoding import KNOWN, decode
from ecg12.pipeline.http.disk_space import is_of_the_disk, stopped_by
from ecg12.pipeline.http.hosts import Host, Hosts
from ecg12.pipeline.http.part_file import Partial
from ecg12.pipeline.http.progress_meter import Meter
from ecg12.pipeline.http.request import Client, fetch_rest
from ecg12.pipeline.http.responses import WEB_PAGE, Answer, FailedTry
from ecg12.pipeline.http.size_limits import MOST_FILE_BYTES
from ecg12.pipeline.http.wanted_files import Fetched, TransferConfig, Wanted
from ecg12.pipeline.runtime.progress import Task

logger = logging.getLogger(__name__)

PROGRESS_RESETS_TRIES_BYTES = 64 * 1024
"""A try that got so much further than any before does not count as failed: a bad line is survived by patience."""

WRONG_DIGESTS_BEFORE_NEXT_HOST = 2


@dataclass(kw_only=True, slots=True)
class _Tries:
    """How one file has gone on one host.

    Attributes
    ----------
    furthest : bytes that were there when the count of failures began
    failed, wrong : tries without progress, and whole files with a wrong digest
    seen : digest of an answer that did not tell its end; the next one must be alike
    """

    furthest: int
    failed: int = 0
    wrong: int = 0
    seen: str | None = None


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
        *,
        most_bytes: int | None = None,
    ) -> None:
        """Bring each file, in any order, and tell each outcome once.

        A KeyboardInterrupt and errors of the disk come through; `.part` files stay for the next run.

        Parameters
        ----------
        most_bytes : of all files together; a host that sends more is given up. None, or a `max_file_bytes` in the
            configuration = there is no bound

        Raises
        ------
        DownloadError
            If the disk is full, or nearly so.
        """
        if not wanted:
            return
        bound = most_bytes if self.config.max_file_bytes is None else None
        meter = Meter(task, len(wanted), sum(one.expected_bytes for one in wanted), bound)
        try:
            asyncio.run(self._fetch_all(wanted, meter, on_done, on_failed))
        except OSError as error:
            if not is_of_the_disk(error):
                raise
            raise stopped_by(error, wanted[0].path.parent) from error

    async def _fetch_all(
        self,
        wanted: Sequence[Wanted],
        meter: Meter,
        on_done: Callable[[Fetched], None],
        on_failed: Callable[[Wanted, str], None],
    ) -> None:
        queue = iter(wanted)
        n_workers = min(self.config.connections, len(wanted))
        async with _make_session(self.config) as session:
            client = Client(session, patience_s=self.config.read_timeout_s)
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
        meter: Meter,
        on_done: Callable[[Fetched], None],
        on_failed: Callable[[Wanted, str], None],
    ) -> None:
        for wanted in queue:
            outcome = await self._fetch_one(client, wanted, meter)
            meter.file_ended(wanted.expected_bytes)
            if isinstance(outcome, Fetched):
                on_done(outcome)
            else:
                on_failed(wanted, outcome)

    async def _fetch_one(self, client: Client, wanted: Wanted, meter: Meter) -> Fetched | str:
        """The file, or why no host gave it."""
        partial = Partial(path=wanted.path, algorithm=wanted.algorithm)
        reasons = []
        try:
            partial.open()
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
        except OSError as error:  # of this file's place: a folder of its name, a file where its folder should be
            if is_of_the_disk(error) or isinstance(error, DownloadError):
                raise
            return f"{error.filename or wanted.path}: {error.strerror or error}; move it away"
        finally:
            partial.close()
        given_up = [f"{host.name}: given up ({host.given_up})" for host in self.hosts.hosts if host.given_up]
        return "; ".join(reasons or given_up)

    async def _fetch_from(self, client: Client, host: Host, wanted: Wanted, partial: Partial, meter: Meter) -> None:
        """Try until the whole file is in `partial` with a right digest; raises the FailedTry that was one too many."""
        if partial.size and partial.hexdigest() in wanted.accepted:
            return  # an earlier process was killed before it could rename it
        tries = _Tries(furthest=partial.size)
        while True:
            try:
                await _wait_for(host)
                answer = await fetch_rest(
                    client,
                    host.url_of(wanted.name),
                    partial,
                    lambda n_bytes: meter.advance(n_bytes, wanted.path),
                    refuse_html=wanted.refuse_html,
                    most_bytes=self._most_bytes(wanted),
                )
                if self._is_right(answer, wanted, partial, meter, tries):
                    return
            except FailedTry as error:
                if partial.size >= tries.furthest + PROGRESS_RESETS_TRIES_BYTES:
                    tries.furthest, tries.failed = partial.size, 0
                tries.failed += 1
                patient = wanted.patient and self.hosts.is_last(host)
                enough = self.config.tries if patient else self.config.tries_before_next_host
                if not error.retriable or tries.failed >= enough or host.given_up is not None:
                    raise
                self.hosts.try_failed(host, str(error), tries.failed)
                await self._wait_after(error, host, tries.failed)

    def _is_right(self, answer: Answer, wanted: Wanted, partial: Partial, meter: Meter, tries: "_Tries") -> bool:
        """Whether the whole file that came may be taken; if not, it is dropped to be fetched anew, or a FailedTry."""
        if answer.encoding and partial.hexdigest() not in wanted.accepted:
            self._undo_encoding(answer.encoding, wanted, partial, meter)
        found = partial.hexdigest()
        if wanted.accepted:
            if found not in wanted.accepted:
                tries.wrong += 1
                # an answer that does not tell its end may only have been cut short
                enough = WRONG_DIGESTS_BEFORE_NEXT_HOST if answer.framed else self.config.tries_before_next_host
                self._refuse_digest(wanted, partial, meter, answer, last=tries.wrong >= enough)
            return found in wanted.accepted
        if answer.framed or found == tries.seen:
            return True
        is_first, tries.seen = tries.seen is None, found
        meter.drop(partial.size, kept=False)
        partial.start_anew()
        if not is_first:
            raise FailedTry("answers that do not tell their end, each another one")
        return False

    def _most_bytes(self, wanted: Wanted) -> int | None:
        return self.config.max_file_bytes or wanted.most_bytes

    def _undo_encoding(self, encoding: str, wanted: Wanted, partial: Partial, meter: Meter) -> None:
        """Put decoded bytes in the place of encoded ones, if they are right, or if nothing says what is right."""
        most = min(self._most_bytes(wanted) or MOST_FILE_BYTES, MOST_FILE_BYTES)
        if encoding not in KNOWN or partial.size > most:
            return
        plain = decode(partial.read(), most)
        if plain is None or (wanted.accepted and _hexdigest(wanted.algorithm, plain) not in wanted.accepted):
            return
        meter.drop(partial.size, kept=False)
        partial.start_anew()
        partial.write(plain)
        meter.advance(len(plain), wanted.path)

    def _refuse_digest(self, wanted: Wanted, partial: Partial, meter: Meter, answer: Answer, *, last: bool) -> None:
        """Drop bytes with a wrong digest to try anew, or, the `last` time, keep them as `.bad` and raise."""
        found, expected = partial.hexdigest(), " or ".join(wanted.accepted)
        said = f"{wanted.algorithm} {found}; expected {expected}"
        said += f"; it came encoded ({answer.encoding})" if answer.encoding else ""
        kept = last and partial.size > 0 and not answer.is_page
        meter.drop(partial.size, kept=kept)
        if kept:
            bad = partial.keep_as_bad()
            raise FailedTry(f"{said}; the wrong file is kept as {bad}", retriable=False, absent=True)
        empty = partial.size == 0
        partial.start_anew()
        if answer.is_page:
            raise FailedTry(f"{WEB_PAGE} ({said})", retriable=False, absent=True)
        if last and empty:
            raise FailedTry(f"an empty file; {said}", retriable=False, absent=True)
        logger.info("%s: %s; fetching it anew", wanted.path, said)

    async def _wait_after(self, error: FailedTry, host: Host, failed: int) -> None:
        config = self.config
        wait = min(config.first_wait_s * 2 ** (failed - 1), config.longest_wait_s) * random.uniform(0.5, 1.0)
        if error.retry_after_s is not None:
            if error.retry_after_s > config.longest_retry_after_s:
                raise FailedTry(f"{error}, and asks to wait {error.retry_after_s:.0f} s", retriable=False) from error
            self.hosts.asked_to_wait(host, str(error), error.retry_after_s)
            host.pause(error.retry_after_s)  # for every connection: all of them were asked to wait
        await asyncio.sleep(wait)


def _hexdigest(algorithm: str, data: bytes) -> str:
    return hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()


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
