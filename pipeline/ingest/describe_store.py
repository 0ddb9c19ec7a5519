"""What is in a store, and what it says of one record."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecg12.cache.remarks import Remarked, read_remarks
from ecg12.cache.schema import SEX_OF_CODE, Reject
from ecg12.cache.several_stores import Locations, UnionName, home_of_chunk, members_of, open_stores
from ecg12.cache.storage.location import Location, file_sizes
from ecg12.ecg.labels.snomed import CLASSES, SCORED_CODES, abbreviation_of, is_concept_id, name_of
from ecg12.ecg.signals.duplicates import duplicates_of
from ecg12.ecg.signals.quality import describe_flags
from ecg12.pipeline.ingest.describe_quality import leads_flagged, rows_by_dataset


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassCount:
    """How often a code occurs.

    `known` are the codes of the class table; `concept` says whether the code has the form of a SNOMED CT identifier.
    """

    code: str
    abbreviation: str
    name: str
    scored: bool
    n_records: int
    known: bool
    concept: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class StoreDescription:
    """A store in figures, or several read as one.

    Attributes
    ----------
    datasets : dataset → records, rejects, hours
    flags : dataset → flag name → records with at least one such lead
    codec : of the signal; each once, where stores differ
    duplicates : recordings with the same samples, as dataset/name
    remarks : kind (see `ecg.labels.annotations`) → header values that were mended or are not understood
    n_bytes : on disk
    """

    path: Location | UnionName
    fs: float
    leads: tuple[str, ...]
    codec: str
    n_records: int
    n_labelled: int
    n_groups: int
    n_chunks: int
    n_bytes: int
    datasets: Mapping[str, Mapping[str, float]]
    flags: Mapping[str, Mapping[str, int]]
    classes: tuple[ClassCount, ...]
    duplicates: tuple[tuple[str, ...], ...]
    rejects: tuple[Reject, ...]
    remarks: Mapping[str, Remarked]


@dataclass(frozen=True, kw_only=True, slots=True)
class LeadDescription:
    """One lead of a record: its range in mV as recorded, the offset taken off it (µV) and its flags."""

    lead: str
    lowest_mv: float
    highest_mv: float
    offset_uv: int
    flags: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordDescription:
    """One record: its row of the tables in words, and its leads."""

    facts: Mapping[str, str]
    labels: tuple[ClassCount, ...]
    leads: tuple[LeadDescription, ...]


def describe_store(stores: Locations) -> StoreDescription:
    """Read a store's tables and count; those of several stores as one.

    Raises
    ------
    StoreError
        If there is no complete store of this version, or a record is in two of them.
    ConfigError
        If the stores do not go together.
    """
    store = open_stores(stores)
    members = members_of(store)
    flags, datasets = store.column("record/lead_flags"), store.datasets
    matrix = store.column("label/matrix")
    counts = matrix.sum(axis=0, dtype=np.int64)
    classes = [_class_count(code, int(n)) for code, n in zip(store.column("label/code"), counts, strict=True)]
    return StoreDescription(
        path=store.path,
        fs=store.fs,
        leads=store.leads,
        codec=", ".join(sorted({member.config.codec for member in members})),
        n_records=store.n_records,
        n_labelled=int(store.column("label/annotated").sum()),
        n_groups=len(set(store.column("record/group"))),
        n_chunks=store.n_chunks,
        n_bytes=sum(sum(file_sizes(member.path).values()) for member in members),
        datasets=store.attributes["datasets"],
        flags={
            dataset: {flag: int(leads.any(axis=1).sum()) for flag, leads in leads_flagged(flags[rows]).items()}
            for dataset, rows in rows_by_dataset(store).items()
        },
        classes=tuple(sorted(classes, key=lambda entry: (-entry.n_records, entry.code))),
        duplicates=duplicates_of(
            [f"{dataset}/{name}" for dataset, name in zip(datasets, store.names, strict=True)],
            store.column("record/digest"),
            flags,
        ),
        rejects=tuple(Reject(**reject) for reject in store.attributes["rejects"]),
        remarks=read_remarks([store.attributes], where=str(store.path)),
    )


def describe_record(stores: Locations, name: str) -> RecordDescription:
    """Read one record of a store, or of several; it says in which of them the record lies, and where there.

    Raises
    ------
    StoreError
        If there is no such record.
    """
    store = open_stores(stores)
    row = store.index_of(name)

    def value(column: str) -> Any:  # noqa: ANN401 - each column has its own type
        return store.column(f"record/{column}")[row]

    age = float(value("age"))
    sex = SEX_OF_CODE[int(value("sex"))]
    signal_mv = store.read_microvolts(row) / 1000.0
    flags, offset = store.column("record/lead_flags")[row], store.column("record/offset")[row]
    home, chunk = home_of_chunk(store, int(value("start")) // store.chunk_length)
    return RecordDescription(
        facts={
            "store": str(home.path),
            "record": str(value("name")),
            "dataset": str(value("dataset")),
            "length": f"{value('length'):,} samples at {store.fs:g} Hz, {value('length') / store.fs:.3f} s",
            "source": f"{value('n_samples_source'):,} samples at {value('fs_source'):g} Hz",
            "age": "unknown" if np.isnan(age) else "older than 89" if age == 300 else f"{age:g}",
            "sex": (sex or "unknown").lower(),
            "group": str(value("group")),
            "scale": f"{value('scale'):.1f} µV",
            "samples interpolated": f"{value('n_invalid'):,}",
            "samples clipped": f"{value('n_clipped'):,}",
            "first column": f"{chunk * home.chunk_length + value('start') % home.chunk_length:,} (chunk {chunk})",
            "SHA-256 of source": str(value("digest")),
        },
        labels=tuple(_class_count(code, 1) for code in store.dx_codes(row)),
        leads=tuple(
            LeadDescription(
                lead=lead,
                lowest_mv=float(signal_mv[number].min()),
                highest_mv=float(signal_mv[number].max()),
                offset_uv=int(offset[number]),
                flags=describe_flags(int(flags[number])),
            )
            for number, lead in enumerate(store.leads)
        ),
    )


def _class_count(code: str, n_records: int) -> ClassCount:
    return ClassCount(
        code=code,
        abbreviation=abbreviation_of(code),
        name=name_of(code),
        scored=code in SCORED_CODES,
        n_records=n_records,
        known=code in CLASSES,
        concept=is_concept_id(code),
    )
