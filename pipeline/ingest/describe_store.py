"""What is in a store, and what it says of one record."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.optional_columns import vocabulary_by_form
from ecg12.cache.reader import Store
from ecg12.cache.remarks import Remarked, read_remarks
from ecg12.cache.schema import SEX_OF_CODE, Reject
from ecg12.cache.several_stores import Locations, UnionName, home_of_chunk, members_of, open_stores
from ecg12.cache.stated import TEXTS
from ecg12.cache.storage.location import Location, file_sizes
from ecg12.ecg.labels.snomed import CLASSES, SCORED_CODES, abbreviation_of, is_concept_id, name_of
from ecg12.ecg.signals.duplicates import duplicates_of
from ecg12.ecg.signals.quality import describe_flags
from ecg12.pipeline.ingest.describe_quality import leads_flagged, rows_by_dataset


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassCount:
    """How often a code occurs.

    `known` are the codes of the class table; `concept` says whether the code has the form of a SNOMED CT identifier;
    `vocabulary` is the code's in this store.
    """

    code: str
    abbreviation: str
    name: str
    scored: bool
    n_records: int
    known: bool
    concept: bool
    vocabulary: str


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetDescription:
    """A measurement: how many records have it, and its range."""

    name: str
    n_records: int
    lowest: float
    highest: float
    median: float


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
    vocabularies : vocabulary → its codes, records with one
    stated : what sources state beside codes (folds, sites, devices) → value → records; empty texts left out
    targets : measurements
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
    vocabularies: Mapping[str, tuple[int, int]]
    stated: Mapping[str, Mapping[str, int]]
    targets: tuple[TargetDescription, ...]


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
    vocabularies = vocabularies_of(store)
    classes = [
        _class_count(code, int(n), vocabulary)
        for code, n, vocabulary in zip(store.column("label/code"), counts, vocabularies, strict=True)
    ]
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
        vocabularies=_count_vocabularies(vocabularies, matrix),
        stated=_count_stated(store),
        targets=_describe_targets(store),
    )


def vocabularies_of(store: Store) -> list[str]:
    """The vocabulary of each code of a store; where it says nothing, that which the code's form tells."""
    stated = store.optional("label/vocabulary")
    return [vocabulary_by_form(code) for code in store.column("label/code")] if stated is None else stated.tolist()


def _count_vocabularies(vocabularies: Sequence[str], matrix: NDArray[np.uint8]) -> dict[str, tuple[int, int]]:
    names = np.array(vocabularies, object)
    return {
        name: (int((names == name).sum()), int(matrix[:, names == name].any(axis=1).sum()))
        for name in sorted(set(vocabularies))
    }


def _count_stated(store: Store) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for title, path in (("folds", "record/fold"), ("sites", "record/site"), ("devices", "record/device")):
        values = store.optional(path)
        if values is not None:
            found = Counter(sorted(value for value in values.tolist() if value))
            in_order = sorted(
                found.items(), key=lambda one: _by_number(one[0]) if title == "folds" else (-one[1], one[0])
            )
            counts[title] = dict(in_order)
    return counts


def _by_number(text: str) -> tuple[int, int, str]:
    return (0, int(text), "") if text.isdecimal() else (1, 0, text)


def _describe_targets(store: Store) -> tuple[TargetDescription, ...]:
    names, values = store.optional("target/name"), store.optional("target/value")
    if names is None or values is None:
        return ()
    found = ((name, column[~np.isnan(column)]) for name, column in zip(names.tolist(), values.T, strict=True))
    return tuple(
        TargetDescription(
            name=name,
            n_records=len(column),
            lowest=float(column.min()),
            highest=float(column.max()),
            median=float(np.median(column)),
        )
        for name, column in found
        if len(column)
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
    vocabulary_of = dict(zip(store.column("label/code").tolist(), vocabularies_of(store), strict=True))
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
            **_stated_of(store, row),
        },
        labels=tuple(_class_count(code, 1, vocabulary_of[code]) for code in store.dx_codes(row)),
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


def _stated_of(store: Store, row: int) -> dict[str, str]:
    """What sources state of a record beside codes, in words."""
    texts = {name.replace("_", " "): store.optional(f"record/{name}") for name in TEXTS}
    facts = {name: str(values[row]) for name, values in texts.items() if values is not None and values[row]}
    likelihoods = store.optional("label/likelihood")
    if likelihoods is not None:
        codes = store.column("label/code")
        stated = [f"{codes[place]} {likelihoods[row, place]:g} %" for place in np.flatnonzero(likelihoods[row] >= 0)]
        facts |= {"likelihoods": ", ".join(stated)} if stated else {}
    names, values = store.optional("target/name"), store.optional("target/value")
    if names is not None and values is not None:
        facts |= {str(name): f"{one:g}" for name, one in zip(names, values[row], strict=True) if not np.isnan(one)}
    return facts


def _class_count(code: str, n_records: int, vocabulary: str) -> ClassCount:
    return ClassCount(
        code=code,
        abbreviation=abbreviation_of(code),
        name=name_of(code),
        scored=code in SCORED_CODES,
        n_records=n_records,
        known=code in CLASSES,
        concept=is_concept_id(code),
        vocabulary=vocabulary,
    )
