"""The plan of a build: what each record is called, how long it will be, whom it belongs to; headers alone."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ecg12.cache.schema import Reject, StoreConfig, sha256_of_json
from ecg12.cache.storage.location import REQUESTS_AT_ONCE, Location, RemotePath
from ecg12.ecg.errors import ChecksumError, EcgError, HeaderError, RemoteError
from ecg12.ecg.headers.header import parse_header
from ecg12.ecg.signals.resample import resampled_length
from ecg12.pipeline.files.foreign_readers import reading
from ecg12.pipeline.formats.wfdb.faulty_files import refuse_faulty
from ecg12.pipeline.formats.wfdb.files import read_header_text
from ecg12.pipeline.formats.wfdb.find_headers import FoundRecord, find_records
from ecg12.pipeline.formats.wfdb.sampling import challenge_dataset, sampling_of
from ecg12.pipeline.recordings.patient_groups import patient_group, record_group
from ecg12.pipeline.runtime.prefetch import prefetch
from ecg12.pipeline.runtime.printable_names import in_one_line
from ecg12.pipeline.runtime.progress import Progress, silent

LONGEST = 2**28
"""Samples of a lead at the store's rate: a week at 400 Hz, which takes 13 GB to convert."""

LONGEST_NAME = 240
"""Bytes. A file of a prediction has four more, and one that is being written eleven."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedRecord:
    """A record as its header announces it: enough to give it a place.

    Attributes
    ----------
    length : samples at the store's fs
    group : of its patient, or of itself
    header_digest : SHA-256 of the header's text, by which a corrected label is noticed
    """

    path: Location
    dataset: str
    name: str
    fs: float
    n_samples: int
    length: int
    group: str
    header_digest: str

    def __reduce__(self) -> tuple[Any, ...]:
        """As plain values: pickled field by field, on its way to a worker, a record would take ten times as long."""
        path = self.path if isinstance(self.path, RemotePath) else str(self.path)
        others = (getattr(self, name) for name in PlannedRecord.__slots__[1:])
        return _unpickled, (path, *others)


def _unpickled(path: RemotePath | str, *others: Any) -> PlannedRecord:  # noqa: ANN401 - fields of several kinds
    fields = dict(zip(PlannedRecord.__slots__[1:], others, strict=True))
    return PlannedRecord(path=Path(path) if isinstance(path, str) else path, **fields)


@dataclass(kw_only=True, slots=True)
class Plan:
    """The records to take, in (dataset, name) order, and those whose header already rules them out."""

    records: list[PlannedRecord] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)

    def digest(self, config: StoreConfig) -> str:
        """Of everything a build is planned from: the same headers and patients under the same rules.

        The samples count through the checksums and lengths that the headers state.
        """
        entries = [[r.dataset, r.name, r.fs, r.n_samples, r.group, r.header_digest] for r in self.records]
        rejects = sorted([r.dataset, r.record, r.stage, r.reason] for r in self.rejects)
        return sha256_of_json([config.digest(), entries, rejects])


@dataclass(frozen=True, kw_only=True, slots=True)
class _Candidate:
    """A record whose header is understood, before the names of all are settled."""

    found: FoundRecord
    dataset: str
    fs: float
    n_samples: int
    length: int
    header_digest: str


def plan_records(
    inputs: Sequence[Location],
    config: StoreConfig,
    patient_of: Mapping[str, str] | None = None,
    *,
    strict: bool = False,
    progress: Progress = silent,
) -> Plan:
    """Read every header and decide what each record is called and how long it will be.

    Records outside the Challenges' datasets belong to a dataset named after their input folder; where two of them
    share a name, both are called by their path below that folder instead.

    Raises
    ------
    InputError
        If an input holds no record.
    RemoteError
        If what is behind a URL cannot be listed or read.
    HeaderError, SignalError
        With `strict`, for the first record that cannot be taken.
    """
    patient_of = patient_of or {}
    found = find_records(inputs)
    plan = Plan()
    candidates: list[_Candidate] = []
    with progress("reading headers", len(found), "records") as task:
        for record, candidate in zip(found, _read_candidates(found, config), strict=True):
            if isinstance(candidate, EcgError):
                _reject(plan, record, record.source, candidate, strict=strict)
            else:
                candidates.append(candidate)
            task.advance()
    times_named = Counter((entry.dataset, entry.found.path.stem) for entry in candidates)
    taken: set[tuple[str, str]] = set()
    for entry in candidates:
        dataset, record = entry.dataset, entry.found
        shared = times_named[dataset, record.path.stem] > 1 and dataset == record.source
        name = record.relative if shared else record.path.stem
        try:
            _check_name(dataset, name, taken)
        except EcgError as error:
            _reject(plan, record, dataset, error, strict=strict)
            continue
        taken.add((dataset, name))
        patient = patient_of.get(name)
        plan.records.append(
            PlannedRecord(
                path=record.path,
                dataset=dataset,
                name=name,
                fs=entry.fs,
                n_samples=entry.n_samples,
                length=entry.length,
                group=patient_group(dataset, patient) if patient else record_group(dataset, name),
                header_digest=entry.header_digest,
            )
        )
    plan.records.sort(key=lambda record: (record.dataset, record.name))
    return plan


def _read_candidates(found: Sequence[FoundRecord], config: StoreConfig) -> Iterator[_Candidate | EcgError]:
    """What each record's header says, or why it says nothing; remote ones are read many at once."""
    jobs = (partial(_candidate_or_error, record, config) for record in found)
    if not any(isinstance(record.path, RemotePath) for record in found):
        return (job() for job in jobs)
    return prefetch(jobs, threads=REQUESTS_AT_ONCE, ahead=8 * REQUESTS_AT_ONCE)


def _candidate_or_error(record: FoundRecord, config: StoreConfig) -> _Candidate | EcgError:
    try:
        with reading(Path(record.path.name), "a WFDB record"):
            return _read_candidate(record, config)
    except RemoteError:
        raise  # it is the server that cannot be had, not this record
    except EcgError as error:
        return error


def _read_candidate(record: FoundRecord, config: StoreConfig) -> _Candidate:
    text = read_header_text(record.path)
    refuse_faulty(record.path, text)
    header = parse_header(text)
    challenge = challenge_dataset(header)
    fs, n_samples = sampling_of(record.path, header, config.leads)
    length = resampled_length(n_samples, fs, config.fs)
    if length > LONGEST:
        raise HeaderError(
            f"{header.name}: {length:,} samples at {config.fs:g} Hz; expected at most {LONGEST:,}: cut the record"
        )
    return _Candidate(
        found=record,
        dataset=challenge.name if challenge else record.source,
        fs=fs,
        n_samples=n_samples,
        length=length,
        header_digest=hashlib.sha256(text.encode()).hexdigest(),
    )


def _check_name(dataset: str, name: str, taken: set[tuple[str, str]]) -> None:
    if len(name.rpartition("/")[2].encode("utf-8", "surrogateescape")) > LONGEST_NAME:
        raise HeaderError(f"{name[:50]}…: a record name beyond {LONGEST_NAME} bytes; rename the record")
    if "," in name:
        raise HeaderError(f"{name}: a record name with a comma; rename the record")
    if not name.isprintable():
        raise HeaderError(f"{name!a}: a record name that cannot be printed; rename the record")
    if (dataset, name) in taken:
        raise HeaderError(f"{name}: a second record of this name in {dataset}; the first, by path, was taken")


def _reject(plan: Plan, record: FoundRecord, dataset: str, error: EcgError, *, strict: bool) -> None:
    if strict:
        error.add_note(f"while planning {record.path}")
        raise error
    plan.rejects.append(reject_for(error, dataset, record.relative))


def reject_for(error: EcgError, dataset: str, record: str) -> Reject:
    """The entry of a record that `error` keeps out of the store; its stage is where it failed."""
    stages = {HeaderError: "header", ChecksumError: "checksum"}
    stage = next((stage for kind, stage in stages.items() if isinstance(error, kind)), "signal")
    return Reject(dataset=dataset, record=record, stage=stage, reason=in_one_line(str(error)))
