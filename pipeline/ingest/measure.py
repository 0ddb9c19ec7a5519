"""What each record that was found announces: its rate and length, by its header where that tells, else by reading it.

Tables of text, workspaces, DICOM and plugins' files are read for it. Where these are many, worker processes read them
side by side.
"""

import hashlib
import pickle
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ecg12.cache.schema import StoreConfig
from ecg12.cache.storage.location import REQUESTS_AT_ONCE, RemotePath
from ecg12.ecg.errors import EcgError, HeaderError, RemoteError, StoreError
from ecg12.ecg.headers.header import parse_header
from ecg12.ecg.headers.segments import is_multi_segment
from ecg12.ecg.signals.resample import resampled_length
from ecg12.pipeline.files.foreign_readers import reading
from ecg12.pipeline.formats.told_by_user import InputConfig
from ecg12.pipeline.formats.wfdb.faulty_files import refuse_faulty
from ecg12.pipeline.formats.wfdb.files import read_header_text
from ecg12.pipeline.formats.wfdb.reading import complete_header
from ecg12.pipeline.formats.wfdb.sampling import challenge_dataset, sampling_of
from ecg12.pipeline.formats.wfdb.segments import measure_segments
from ecg12.pipeline.ingest.dask_cluster import local_client
from ecg12.pipeline.ingest.find_sources import WFDB, Source
from ecg12.pipeline.recordings.announced import TOLD_BY_HEADERS, announce
from ecg12.pipeline.runtime.prefetch import prefetch

LONGEST = 2**28
"""Samples of a lead at the store's rate: a week at 400 Hz, which takes 13 GB to convert."""

_SECONDS_TO_READ = {"table": 0.01}
_SECONDS_OF_OTHERS = 0.002
WORTH_WORKERS_S = 4.0
"""Reading that takes longer is shared out: starting workers takes a second or two."""

_AT_ONCE = 16
"""Records of a task."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A record that announces itself well enough, before the names of all are settled."""

    source: Source
    dataset: str
    fs: float
    n_samples: int
    length: int
    header_digest: str

    @property
    def duration_s(self) -> float:
        """How long it lasts, seconds."""
        return self.n_samples / self.fs


def measure(
    found: Sequence[Source], config: StoreConfig, told: InputConfig, workers: int = 1
) -> Iterator[Candidate | EcgError]:
    """What each record announces, or why it announces nothing, in order; remote ones are read many at once.

    Raises
    ------
    RemoteError
        If a server cannot be had.
    StoreError
        If worker processes are killed over and over.
    """
    unread = [source for source in found if source.kind not in TOLD_BY_HEADERS]
    if len(unread) == len(found):
        yield from _by_reading(unread, config, told, workers)
        return
    by_header = _by_headers([source for source in found if source.kind in TOLD_BY_HEADERS], config, told)
    if not unread:
        yield from by_header
        return
    with closing(_by_reading(unread, config, told, workers)) as by_reading:
        for source in found:
            yield next(by_header if source.kind in TOLD_BY_HEADERS else by_reading)


def _by_headers(found: Sequence[Source], config: StoreConfig, told: InputConfig) -> Iterator[Candidate | EcgError]:
    jobs = (partial(_candidate_or_error, source, config, told) for source in found)
    if not any(isinstance(source.path, RemotePath) for source in found):
        return (job() for job in jobs)
    return prefetch(jobs, threads=REQUESTS_AT_ONCE, ahead=8 * REQUESTS_AT_ONCE)


def _by_reading(
    found: Sequence[Source], config: StoreConfig, told: InputConfig, workers: int
) -> Generator[Candidate | EcgError, None, None]:
    seconds = sum(_SECONDS_TO_READ.get(source.kind, _SECONDS_OF_OTHERS) for source in found)
    if workers == 1 or seconds < WORTH_WORKERS_S:
        yield from (_candidate_or_error(source, config, told) for source in found)
        return
    from distributed import KilledWorker

    batches = [found[begin : begin + _AT_ONCE] for begin in range(0, len(found), _AT_ONCE)]
    with local_client(workers) as client:
        tasks = client.map(_measure_pickled, [pickle.dumps((one, config, told)) for one in batches], pure=False)
        try:
            for task in tasks:
                yield from pickle.loads(task.result())
        except KilledWorker as error:
            raise StoreError(
                "worker processes were killed several times over, most likely for want of memory; run the build "
                "again with fewer --workers"
            ) from error


def _measure_pickled(batch: bytes) -> bytes:
    """The candidates or errors of a pickled batch, pickled: the scheduler hands bytes on as they are."""
    found, config, told = pickle.loads(batch)
    return pickle.dumps([_candidate_or_error(source, config, told) for source in found])


def _candidate_or_error(source: Source, config: StoreConfig, told: InputConfig) -> Candidate | EcgError:
    try:
        if source.kind != WFDB:
            return _read_other(source, config, told)
        with reading(Path(source.path.name), "a WFDB record"):
            return _read_header(source, config, told)
    except RemoteError:
        raise  # it is the server that cannot be had, not this record
    except EcgError as error:
        return error


def _read_other(source: Source, config: StoreConfig, told: InputConfig) -> Candidate:
    with reading(Path(source.path.name), "a recording"):
        announced = announce(source.found, told)
    return _candidate(source, source.source, announced.fs, announced.n_samples, announced.digest, config)


def _read_header(source: Source, config: StoreConfig, told: InputConfig) -> Candidate:
    text = read_header_text(source.path)
    refuse_faulty(source.path, text)
    try:
        header = parse_header(text)
    except HeaderError:
        if isinstance(source.path, RemotePath) or not is_multi_segment(text):
            raise
        fs, n_samples, text = measure_segments(source.path, text)
        return _candidate(source, source.source, fs, n_samples, hashlib.sha256(text.encode()).hexdigest(), config)
    challenge = challenge_dataset(header)
    if told.tells_of_samples:
        header, _ = complete_header(header, told)
    fs, n_samples = sampling_of(source.path, header, config.leads)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return _candidate(source, challenge.name if challenge else source.source, fs, n_samples, digest, config)


def _candidate(source: Source, dataset: str, fs: float, n_samples: int, digest: str, config: StoreConfig) -> Candidate:
    length = resampled_length(n_samples, fs, config.fs)
    if length > LONGEST:
        raise HeaderError(
            f"{source.name}: {length:,} samples at {config.fs:g} Hz; expected at most {LONGEST:,}: cut the record"
        )
    return Candidate(source=source, dataset=dataset, fs=fs, n_samples=n_samples, length=length, header_digest=digest)
