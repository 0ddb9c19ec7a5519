"""The plan of a build: what each record is called, how long it will be, whom it belongs to.

Headers alone tell it where a format has them; `pipeline.ingest.measure` says what a record announces.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ecg12.cache.schema import Reject, StoreConfig, sha256_of_json
from ecg12.cache.storage.location import Location, RemotePath
from ecg12.ecg.errors import ChecksumError, EcgError, HeaderError
from ecg12.pipeline.formats.told_by_user import InputConfig
from ecg12.pipeline.ingest.find_sources import WFDB, Source, find_sources
from ecg12.pipeline.ingest.measure import Candidate, measure
from ecg12.pipeline.ingest.same_recording import refuse_twice
from ecg12.pipeline.recordings.path_patterns import PathPatterns
from ecg12.pipeline.recordings.patient_groups import patient_group, record_group
from ecg12.pipeline.recordings.set_aside import NotLookedAt
from ecg12.pipeline.runtime.printable_names import in_one_line
from ecg12.pipeline.runtime.progress import Progress, silent

TOLD_NOTHING = InputConfig(prefix="source-", with_source=True)
"""What a build is told about sources unless it is told more."""

LONGEST_NAME = 240
"""Bytes. A file of a prediction has four more, and one that is being written eleven."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedRecord:
    """A record as its file announces it: enough to give it a place.

    Attributes
    ----------
    length : samples at the store's fs
    group : of its patient, or of itself
    header_digest : SHA-256 of the header's text, by which a corrected label is noticed; of other files as
        `pipeline.recordings.announced` says
    kind : what reads it
    """

    path: Location
    dataset: str
    name: str
    fs: float
    n_samples: int
    length: int
    group: str
    header_digest: str
    kind: str = WFDB

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
    """The records to take, in (dataset, name) order, and those that are ruled out already.

    Attributes
    ----------
    aside : files in the inputs that are no recordings
    n_left_out : files that patterns leave out
    unused_patterns : patterns that match no file
    """

    records: list[PlannedRecord] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    aside: list[NotLookedAt] = field(default_factory=list)
    n_left_out: int = 0
    unused_patterns: list[str] = field(default_factory=list)

    def digest(self, config: StoreConfig, told: InputConfig = TOLD_NOTHING) -> str:
        """Of everything a build is planned from: the same headers and patients under the same rules.

        The samples count through the checksums and lengths that the headers state, or with the whole file. What was
        told counts where it is more than nothing, so that a build of records that say all is the same as ever.
        """
        entries = [
            [r.dataset, r.name, r.fs, r.n_samples, r.group, r.header_digest, *([r.kind] * (r.kind != WFDB))]
            for r in self.records
        ]
        rejects = sorted([r.dataset, r.record, r.stage, r.reason] for r in self.rejects)
        said = {name: getattr(told, name) for name in ("fs", "units", "leads", "missing_leads")}
        nothing = {name: getattr(TOLD_NOTHING, name) for name in said}
        return sha256_of_json([config.digest(), entries, rejects, *([said] * (said != nothing))])


def plan_records(
    inputs: Sequence[Location],
    config: StoreConfig,
    patient_of: Mapping[str, str] | None = None,
    *,
    told: InputConfig = TOLD_NOTHING,
    patterns: PathPatterns | None = None,
    workers: int = 1,
    strict: bool = False,
    progress: Progress = silent,
) -> Plan:
    """Find every recording, and decide what each is called and how long it will be.

    Recordings outside the six datasets belong to a dataset named after their input folder; where two of them
    share a name, both are called by their path below that folder instead, with the suffix where that is shared, too.

    Parameters
    ----------
    told : what files do not say themselves
    patterns : which files are meant
    workers : processes that read files without a header, where there are many

    Raises
    ------
    InputError
        If an input holds no record, or one recording twice, see `pipeline.ingest.same_recording`.
    RemoteError
        If what is behind a URL cannot be listed or read.
    HeaderError, LeadError, SignalError
        With `strict`, for the first record that cannot be taken.
    """
    patient_of, patterns = patient_of or {}, patterns or PathPatterns()
    plan = Plan()
    found = find_sources(inputs, told, plan.aside, patterns)
    plan.n_left_out, plan.unused_patterns = patterns.n_left_out, patterns.unused
    candidates: list[Candidate] = []
    with progress("reading headers", len(found), "records") as task:
        for source, candidate in zip(found, measure(found, config, told, workers), strict=True):
            if isinstance(candidate, EcgError):
                _reject(plan, source, source.source, candidate, strict=strict)
            else:
                candidates.append(candidate)
            task.advance()
    refuse_twice(candidates, told)
    _take(plan, candidates, patient_of, strict=strict)
    return plan


def _take(plan: Plan, candidates: Sequence[Candidate], patient_of: Mapping[str, str], *, strict: bool) -> None:
    """Give each candidate its name and its group."""
    names = _Names(candidates)
    taken: set[tuple[str, str]] = set()
    for entry in candidates:
        dataset, source = entry.dataset, entry.source
        name = names.of(entry)
        try:
            _check_name(dataset, name, taken)
        except EcgError as error:
            _reject(plan, source, dataset, error, strict=strict)
            continue
        taken.add((dataset, name))
        patient = patient_of.get(name)
        plan.records.append(
            PlannedRecord(
                path=source.path,
                dataset=dataset,
                name=name,
                fs=entry.fs,
                n_samples=entry.n_samples,
                length=entry.length,
                group=patient_group(dataset, patient) if patient else record_group(dataset, name),
                header_digest=entry.header_digest,
                kind=source.kind,
            )
        )
    plan.records.sort(key=lambda record: (record.dataset, record.name))


class _Names:
    """What records are called among the others."""

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self._times = Counter((entry.dataset, entry.source.name) for entry in candidates)
        several = (entry for entry in candidates if self._times[entry.dataset, entry.source.name] > 1)
        self._paths = Counter((entry.dataset, entry.source.relative) for entry in several)

    def of(self, entry: Candidate) -> str:
        """Its file's name, or its path where two of a dataset share that; the suffix as well where only it differs."""
        source = entry.source
        if self._times[entry.dataset, source.name] == 1 or entry.dataset != source.source:
            return source.name
        shared = self._paths[entry.dataset, source.relative] > 1 and source.kind != WFDB
        return source.relative + source.suffix if shared else source.relative


def _check_name(dataset: str, name: str, taken: set[tuple[str, str]]) -> None:
    if len(name.rpartition("/")[2].encode("utf-8", "surrogateescape")) > LONGEST_NAME:
        raise HeaderError(f"{name[:50]}…: a record name beyond {LONGEST_NAME} bytes; rename the record")
    if "," in name:
        raise HeaderError(f"{name}: a record name with a comma; rename the record")
    if not name.isprintable():
        raise HeaderError(f"{name!a}: a record name that cannot be printed; rename the record")
    if (dataset, name) in taken:
        raise HeaderError(f"{name}: a second record of this name in {dataset}; the first, by path, was taken")


def _reject(plan: Plan, source: Source, dataset: str, error: EcgError, *, strict: bool) -> None:
    if strict:
        error.add_note(f"while planning {source.path}")
        raise error
    name = source.relative if source.kind == WFDB else source.relative + source.suffix
    plan.rejects.append(reject_for(error, dataset, name))


def reject_for(error: EcgError, dataset: str, record: str) -> Reject:
    """The entry of a record that `error` keeps out of the store; its stage is where it failed."""
    stages = {HeaderError: "header", ChecksumError: "checksum"}
    stage = next((stage for kind, stage in stages.items() if isinstance(error, kind)), "signal")
    return Reject(dataset=dataset, record=record, stage=stage, reason=in_one_line(str(error)))
