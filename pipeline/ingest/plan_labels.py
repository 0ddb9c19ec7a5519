"""Tables of labels in a build: held against its plan before any work is done, and part of what it is known by."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ecg12.cache.schema import sha256_of_json
from ecg12.cache.storage.location import Location
from ecg12.ecg.errors import InputError
from ecg12.pipeline.ingest.plan import Plan
from ecg12.pipeline.labels.read_labels import Labels, read_labels
from ecg12.pipeline.labels.record_index import RecordKey
from ecg12.pipeline.recordings.patient_groups import patient_group


def plan_labels(
    paths: Sequence[Location], told: Mapping[str, Sequence[str]], plan: Plan, patient_of: Mapping[str, str]
) -> Labels:
    """Read tables for the records of a plan, whose groups become those of the patients that they name.

    Raises
    ------
    InputError
        As `read_labels`, or if a record has another patient in a table of patients.
    """
    labels = read_labels(paths, told, [RecordKey(record.dataset, record.name, record.path) for record in plan.records])
    for number, record in enumerate(plan.records):
        patient = patient_in(labels, record.dataset, record.name)
        if patient is None:
            continue
        other = patient_of.get(record.name, patient)
        if other != patient:
            raise InputError(
                f"{', '.join(map(str, paths))}: record {record.dataset}/{record.name} has patient {patient}, and "
                f"{other} in a table of patients; expected one"
            )
        plan.records[number] = replace(record, group=patient_group(record.dataset, patient))
    return labels


def patient_in(labels: Labels, dataset: str, name: str) -> str | None:
    """The patient that tables of labels name for a record."""
    facts = labels.facts.get((dataset, name))
    return None if facts is None else facts.patient


def digest_with(plan_digest: str, labels: Labels) -> str:
    """A plan's digest and what tables of labels state, as one; without tables the plan's own."""
    return sha256_of_json([plan_digest, labels.digest()]) if labels.tables else plan_digest
