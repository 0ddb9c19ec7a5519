"""The plan of a build: what each record is called, how long it will be, whom it belongs to; headers alone."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cache.schema import Reject, StoreConfig, sha256_of_json
from ecg.errors import EcgError, HeaderError
from ecg.resample import resampled_length
from pipeline.groups import patient_group, record_group
from pipeline.progress import Progress, silent
from pipeline.wfdb_io import FoundRecord, challenge_dataset, find_records, read_header, sampling_of


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedRecord:
    """A record as its header announces it: enough to give it a place."""

    path: Path
    dataset: str
    name: str
    fs: float
    n_samples: int
    length: int
    group: str


@dataclass(kw_only=True, slots=True)
class Plan:
    """The records to take, in (dataset, name) order, and those whose header already rules them out."""

    records: list[PlannedRecord] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)

    def digest(self, config: StoreConfig) -> str:
        """Of everything the bytes depend on: the same inputs under the same rules."""
        entries = [[r.dataset, r.name, r.fs, r.n_samples, r.group] for r in self.records]
        rejects = sorted([r.dataset, r.record, r.stage, r.reason] for r in self.rejects)
        return sha256_of_json([config.digest(), entries, rejects])


def plan_records(
    inputs: Sequence[Path],
    config: StoreConfig,
    patient_of: Mapping[str, str] | None = None,
    *,
    strict: bool = False,
    progress: Progress = silent,
) -> Plan:
    """Read every header and decide what each record is called and how long it will be.

    Records outside the six datasets belong to a dataset named after their input folder; where two of them
    share a name, both are called by their path below that folder instead.
    """
    patient_of = patient_of or {}
    found = find_records(inputs)
    plan = Plan()
    known: list[tuple[FoundRecord, str, str, float, int]] = []
    with progress("reading headers", len(found), "records") as task:
        for record in found:
            try:
                header = read_header(record.path)
                challenge = challenge_dataset(header)
                fs, n_samples = sampling_of(record.path, header)
                if "," in record.path.stem:
                    raise HeaderError(f"{record.path.stem}: a record name with a comma; rename the record")
                known.append((record, challenge.name if challenge else record.source, record.path.stem, fs, n_samples))
            except EcgError as error:
                if strict:
                    error.add_note(f"while planning {record.path}")
                    raise
                plan.rejects.append(
                    Reject(dataset=record.source, record=record.relative, stage="header", reason=str(error))
                )
            task.advance()
    times_named = Counter((dataset, name) for _, dataset, name, _, _ in known)
    taken: set[tuple[str, str]] = set()
    for record, dataset, name, fs, n_samples in known:
        key = name if times_named[dataset, name] == 1 or dataset != record.source else record.relative
        if (dataset, key) in taken:
            plan.rejects.append(
                Reject(
                    dataset=dataset,
                    record=record.relative,
                    stage="header",
                    reason=f"{key}: a second record of this name in {dataset}; the first, by path, was taken",
                )
            )
            continue
        taken.add((dataset, key))
        patient = patient_of.get(key)
        plan.records.append(
            PlannedRecord(
                path=record.path,
                dataset=dataset,
                name=key,
                fs=fs,
                n_samples=n_samples,
                length=resampled_length(n_samples, fs, config.fs),
                group=patient_group(dataset, patient) if patient else record_group(dataset, key),
            )
        )
    plan.records.sort(key=lambda record: (record.dataset, record.name))
    return plan
