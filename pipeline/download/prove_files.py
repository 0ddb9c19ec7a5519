"""Proving files on disk: SHA-256 of the bytes, and the checksums that the headers themselves state for the samples.

Both are taken of a record in one visit, while its bytes are in memory. A few files are proven in this process;
for many there are as many processes as cores, because the reading of headers holds the interpreter's lock. Workers are
spawned, not forked, and get files in batches, so that sending names and results costs nothing.
"""

import hashlib
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.errors import DownloadError, EcgError
from ecg12.ecg.signals.quality import checksum_mismatches
from ecg12.pipeline.formats.wfdb.records import read_record
from ecg12.pipeline.formats.wfdb.sampling import CHALLENGE_OFFSET

BATCH_FILES = 64
FILES_WORTH_PROCESSES = 2000
"""Starting a process costs as much as proving about a thousand files."""

_WHOLE_BYTES = 16 << 20
"""Files up to here are read at once; the Challenge's longest have 11 MB."""

_SAMPLES_AT_ONCE = 64

_MOST_WAITING = 256
"""Batches whose proofs are held because an earlier one is not there yet."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof:
    """What was found at `path`.

    Attributes
    ----------
    size, mtime_ns, sha256 : of the file; None where there is none (a size of 0, then)
    record : None if it is no header or headers are not asked for; else "" if the samples have the checksums that
        the header states, else what is wrong
    unstated : leads whose header states no checksum
    unreadable : why the file cannot be read, or ""
    """

    path: Path
    size: int = 0
    mtime_ns: int | None = None
    sha256: str | None = None
    record: str | None = None
    unstated: int = 0
    unreadable: str = ""


def prove_files(paths: Sequence[Path], *, headers: bool, workers: int) -> Iterator[Proof]:
    """One proof for each path, in their order.

    Parameters
    ----------
    headers : also check the samples of every record whose `.hea` file is among `paths`
    workers : processes at most, this one among them
    """
    if workers == 1 or len(paths) < FILES_WORTH_PROCESSES:
        prover = _Prover(headers=headers)
        yield from map(prover.prove, paths)
        return
    # this process is one of the workers, from the first moment: others take half a second to start
    executor = ProcessPoolExecutor(
        workers - 1, mp_context=multiprocessing.get_context("spawn"), initializer=_leave_interrupts_to_the_parent
    )
    try:
        yield from _in_order(executor, paths, headers, ahead=4 * workers)
    except BrokenProcessPool as error:
        raise DownloadError(
            "a process that was reading files was killed, perhaps for want of memory; try again with --workers 1"
        ) from error
    finally:
        executor.shutdown(cancel_futures=True)


def prove_file(path: Path, *, headers: bool) -> Proof:
    """The proof of one file; see `prove_files`."""
    return _Prover(headers=headers).prove(path)


def hash_file(path: Path, algorithm: str) -> str:
    """Hex digest of a file, read in blocks."""
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()


class _Prover:
    """Proves one file after another, and keeps the bytes of the last signal: its header comes just before or after."""

    def __init__(self, *, headers: bool) -> None:
        self.headers = headers
        self._signal_path: Path | None = None
        self._signal = b""

    def prove(self, path: Path) -> Proof:
        try:
            with path.open("rb", buffering=0) as file:
                status = os.fstat(file.fileno())
                if status.st_size > _WHOLE_BYTES:
                    data, digest = None, hashlib.file_digest(file, "sha256").hexdigest()
                else:
                    data = self._signal if path == self._signal_path else file.readall()
                    digest = hashlib.sha256(data).hexdigest()
        except FileNotFoundError:
            return Proof(path=path)
        except OSError as error:
            return Proof(path=path, unreadable=error.strerror or str(error))
        record, unstated = None, 0
        if data is not None and path.suffix == ".mat":
            self._signal_path, self._signal = path, data
        elif self.headers and path.suffix == ".hea":
            record, unstated = ("", 0) if data and self._agrees(path, data) else _check_samples(path)
        return Proof(
            path=path,
            size=status.st_size,
            mtime_ns=status.st_mtime_ns,
            sha256=digest,
            record=record,
            unstated=unstated,
        )

    def _agrees(self, path: Path, header: bytes) -> bool:
        """Whether a record in the Challenge's form is right, by the shortest way; if not, a full reading decides."""
        stated = stated_checksums(header, path.stem)
        signal_path = path.with_suffix(".mat")
        if stated is None:
            return False
        if signal_path != self._signal_path:
            try:
                if signal_path.stat().st_size > _WHOLE_BYTES:
                    return False
                self._signal_path, self._signal = signal_path, signal_path.read_bytes()
            except OSError:
                return False
        n_samples, checksums = stated
        n_values = n_samples * len(checksums)
        if len(self._signal) < CHALLENGE_OFFSET + 2 * n_values:
            return False
        values = np.frombuffer(self._signal, "<i2", n_values, CHALLENGE_OFFSET)
        return bool((sums_by_lead(values, len(checksums)) == np.array(checksums, np.int64).astype(np.int16)).all())


def stated_checksums(header: bytes, name: str) -> tuple[int, list[int]] | None:
    """Samples a lead and each lead's checksum, of a header just as the Challenge writes them; None for any other form.

    Ten times as fast as understanding the whole header, for which `ecg.headers.header` is.
    """
    lines = header.split(b"\n")
    first = lines[0].split()
    try:
        n_leads, n_samples = int(first[1]), int(first[3])
        fields = [line.split() for line in lines[1 : n_leads + 1]]
        checksums = [int(field[6]) for field in fields]
    except (IndexError, ValueError):
        return None
    forms = {(field[0], field[1], len(field)) for field in fields}
    if (
        len(fields) != n_leads
        or len(forms) != 1
        or not 0 < n_samples
        or not all(-32768 <= c < 65536 for c in checksums)
    ):
        return None
    file_name, form, n_fields = forms.pop()
    if file_name != f"{name}.mat".encode() or form not in (b"16+24", b"16x1+24") or n_fields != 9:
        return None
    return n_samples, checksums


def sums_by_lead(values: NDArray[np.int16], n_leads: int) -> NDArray[np.int16]:
    """Sum of each lead modulo 65,536.

    Parameters
    ----------
    values : int16 array, shape (n_samples * n_leads,), time-major as in the file
    """
    # rows of many samples at once: adding rows of twelve numbers is ten times slower
    wide = n_leads * _SAMPLES_AT_ONCE
    whole = len(values) // wide * wide
    sums = values[whole:].reshape(-1, n_leads).sum(axis=0, dtype=np.int16)
    by_place = values[:whole].reshape(-1, wide).sum(axis=0, dtype=np.int16)
    return sums + by_place.reshape(-1, n_leads).sum(axis=0, dtype=np.int16)


def _check_samples(path: Path) -> tuple[str, int]:
    try:
        record = read_record(path, leads=None)
    except EcgError as error:
        return str(error), 0
    wrong = checksum_mismatches(record)
    unstated = sum(stated is None for stated in record.checksum)
    if not wrong:
        return "", unstated
    leads = ", ".join(record.leads[row] for row in wrong)
    return f"{path.stem}: the samples of {leads} do not have the header's checksum", unstated


def _in_order(executor: ProcessPoolExecutor, paths: Sequence[Path], headers: bool, *, ahead: int) -> Iterator[Proof]:
    """Proofs by the executor's processes and, while the next one in order is not there, by this process."""
    prover = _Prover(headers=headers)
    batches = iter([paths[start : start + BATCH_FILES] for start in range(0, len(paths), BATCH_FILES)])
    waiting: deque[Future[list[Proof]] | list[Proof]] = deque()
    for batch in islice(batches, ahead):
        waiting.append(executor.submit(_prove_batch, batch, headers))
    while waiting:
        first = waiting[0]
        if isinstance(first, Future) and not first.done() and len(waiting) < _MOST_WAITING:
            own = next(batches, None)
            if own is not None:
                waiting.append([prover.prove(path) for path in own])
                continue
        waiting.popleft()
        if isinstance(first, Future):
            for batch in islice(batches, 1):
                waiting.append(executor.submit(_prove_batch, batch, headers))
            first = first.result()
        yield from first


def _prove_batch(paths: Iterable[Path], headers: bool) -> list[Proof]:
    prover = _Prover(headers=headers)
    return [prover.prove(path) for path in paths]


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
